import { expect, test } from 'vitest';
import { Lane } from '../../src/session/lane.js';
import { encodeFrame } from '../support/frames.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';

/** Enqueues work that notes its name and ends with the next turn. */
function workNoting(done: string[]): (name: string) => () => Promise<void> {
  return (name) => async () => {
    done.push(name);
    await new Promise((resolve) => setImmediate(resolve));
  };
}

test('flows take turns: one line of work does not hold up another', async () => {
  const lane = new Lane(1);
  const done: string[] = [];
  const work = workNoting(done);
  const [flood, quiet, other] = [{}, {}, {}];
  for (let index = 0; index < 5000; index++) {
    lane.enqueue(work(`flood ${index}`), flood);
  }
  await expect.poll(() => done.length).toBeGreaterThan(10);
  const before = done.length;
  lane.enqueue(work('quiet 0'), quiet);
  lane.enqueue(work('quiet 1'), quiet);
  lane.enqueue(work('other'), other);
  await expect.poll(() => done.length).toBe(5003);
  expect(done.indexOf('quiet 0') - before).toBeLessThanOrEqual(1);
  expect(done.indexOf('other') - before).toBeLessThanOrEqual(3);
  expect(done.indexOf('quiet 1') - before).toBeLessThanOrEqual(5);
  const ofFlood = done.filter((name) => name.startsWith('flood'));
  expect(ofFlood).toEqual(Array.from({ length: 5000 }, (_, index) => `flood ${index}`));
});

test('never more at a time than there are places, and all places are used', async () => {
  const lane = new Lane(3);
  let running = 0;
  let most = 0;
  let ended = 0;
  for (let index = 0; index < 100; index++) {
    lane.enqueue(
      async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        ended++;
      },
      { flow: index % 7 },
    );
  }
  await expect.poll(() => ended).toBe(100);
  expect(most).toBe(3);
});

test('one stream with very many sessions does not hold up the acknowledgement of another', async () => {
  await using directory = await temporaryDirectory();
  let durable = 0;
  const { sessions } = await openSessionRoom(directory.path, {
    onDurable: () => durable++,
    maxOpenFiles: 1000,
  });
  const flood = sessions.newIntake();
  for (let index = 0; index < 500; index++) {
    const frame = encodeFrame({ session_id: `flood-${index}` });
    await flood.take(frame, 0, frame.length);
  }
  const quiet = sessions.newIntake();
  const frame = encodeFrame({ session_id: 'quiet' });
  await quiet.take(frame, 0, frame.length);
  const before = durable;
  const flooded = flood.settle();
  await quiet.settle();
  // Of the 500, those that had the other seven places by then, a few times.
  expect(durable - before).toBeLessThan(100);
  await flooded;
  expect(durable - before).toBeGreaterThanOrEqual(500);
  await sessions.registry.drain();
});
