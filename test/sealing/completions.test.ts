import { expect, test } from 'vitest';
import { type Core, openCore } from '../../src/core.js';
import { systemClock } from '../../src/segment/clock.js';
import type { Completion } from '../../src/segment/completion-record.js';
import { layoutOf } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { prepareDirectories } from '../../src/segment/prepare-directories.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { encodeFrame } from '../support/frames.js';
import { temporaryDirectory } from '../support/session-room.js';
import { recordingLogger } from './fixture.js';

const metrics = new Metrics({ version: 'test' });

/** Everything between the doors and the disk, without Redis. */
async function open(logDir: string, idleSeconds = 300): Promise<Core & { take(sessionId: string): Promise<void> }> {
  await prepareDirectories(nodeFiles, layoutOf(logDir));
  const limits = { maxSegmentBytes: 1 << 26, maxSegmentAgeSeconds: 3600, idleSeconds, flushIntervalMs: 200 };
  const queues = { maxFrameBytes: 1 << 20, maxQueueBytes: 1 << 28, maxSessionQueueBytes: 1 << 23, maxOpenFiles: 100 };
  const core = await openCore(
    { logDir, ...limits, ...queues, fsync: 'ack', compression: 'gzip', gzipLevel: 1, compressionWorkers: 1 },
    { logger: recordingLogger(), metrics, files: nodeFiles, clock: systemClock, publisher: null },
  );
  core.start();
  const take = async (sessionId: string): Promise<void> => {
    const intake = core.sessions.newIntake();
    const frame = encodeFrame({ session_id: sessionId, content: 'x' });
    await intake.take(frame, 0, frame.length);
    await intake.settle();
  };
  return { ...core, take };
}

test('what was told last of a session is known at once, of its files alone as well, and after a restart', async () => {
  await using directory = await temporaryDirectory();
  const core = await open(directory.path, 1);
  const heard: [string, Completion][] = [];
  core.completions.onCompleted((sessionId, completion) => heard.push([sessionId, completion]));
  expect(await core.completions.of('s')).toBe(null);
  await core.take('s');
  expect(await core.completions.of('s')).toBe(null);
  expect(await core.completeSession('s', 'failed', 2)).toMatchObject({ kind: 'completed', isNew: true });
  const first = { status: 'failed', exitCode: 2, lastSeq: 1 };
  expect(await core.completions.of('s')).toEqual(first);
  expect(await core.completeSession('s', 'failed', 2)).toEqual({ kind: 'completed', completion: first, isNew: false });
  expect(await core.completeSession('s', 'failed', null)).toEqual({ kind: 'conflict', stored: first });
  expect(await core.completeSession('nobody', 'failed', null)).toEqual({ kind: 'unknown' });
  expect(heard).toEqual([['s', first]]);

  // Whoever asks has seen the line above it.
  await core.take('s');
  expect(await core.completions.of('s')).toEqual(first);
  await expect.poll(() => core.sessions.registry.size, { timeout: 30_000 }).toBe(0);
  await core.pipeline.whenIdle();
  expect(await core.completeSession('s', 'completed', 0)).toMatchObject({ kind: 'completed' });
  const second = { status: 'completed', exitCode: 0, lastSeq: 2 };
  expect(await core.completions.of('s')).toEqual(second);
  expect(heard.at(-1)).toEqual(['s', second]);
  await core.drain();

  const again = await open(directory.path);
  expect(await again.completions.of('s')).toEqual(second);
  await again.drain();
});

test('whoever follows a session is told its end, and a session that goes on has none', async () => {
  await using directory = await temporaryDirectory();
  const core = await open(directory.path);
  await core.take('s');
  const ends = async (follow: boolean): Promise<object[]> => {
    const events: object[] = [];
    for await (const event of core.logs.read('s', { follow })) {
      if (event.kind !== 'lines') {
        events.push(event);
      }
    }
    return events;
  };
  expect(await ends(false)).toEqual([{ kind: 'end', lastSeq: 1, completion: null }]);
  const following = [ends(true), ends(true)];
  await core.completeSession('s', 'failed', 3);
  const end = { kind: 'end', lastSeq: 1, completion: { status: 'failed', exitCode: 3, lastSeq: 1 } };
  expect(await Promise.all(following)).toEqual([[end], [end]]);
  expect([await ends(true), await ends(false)]).toEqual([[end], [end]]);
  await core.take('s');
  expect(await ends(false)).toEqual([{ kind: 'end', lastSeq: 2, completion: null }]);
  const again = ends(true);
  await core.completeSession('s', 'completed', null);
  expect(await again).toEqual([
    { kind: 'end', lastSeq: 2, completion: { status: 'completed', exitCode: null, lastSeq: 2 } },
  ]);
  await core.drain();
});

test('what is being completed while the core drains is done, or was not begun', async () => {
  await using directory = await temporaryDirectory();
  const core = await open(directory.path);
  await core.take('s');
  const gone = new AbortController();
  const first = core.completeSession('s', 'first', null);
  const second = core.completeSession('s', 'second', null, gone.signal);
  gone.abort(new Error('gone'));
  const refused = expect(second).rejects.toThrow('gone');
  await core.drain();
  expect(await first).toMatchObject({ kind: 'completed', completion: { status: 'first', lastSeq: 1 } });
  await refused;
  const again = await open(directory.path);
  expect(await again.completions.of('s')).toMatchObject({ status: 'first' });
  await again.drain();
});
