import { expect, test } from 'vitest';
import type { Intake } from '../../src/session/intake.js';
import { encodeFrame } from '../support/frames.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';

async function take(intake: Intake, sessionId: string): Promise<void> {
  const frame = encodeFrame({ session_id: sessionId });
  await intake.take(frame, 0, frame.length);
}

test('streams that take turns in the same sessions are told each what it stored itself', async () => {
  await using directory = await temporaryDirectory();
  const { sessions } = await openSessionRoom(directory.path);
  const [one, other] = [sessions.newIntake(), sessions.newIntake()];
  for (let round = 0; round < 3; round++) {
    await take(one, 'both');
    await take(other, 'both');
    await take(other, 'second only');
    await take(one, 'both');
  }
  expect(await one.settle()).toEqual([{ sessionId: 'both', firstSeq: 1, lastSeq: 9 }]);
  expect(await other.settle()).toEqual([
    { sessionId: 'both', firstSeq: 2, lastSeq: 8 },
    { sessionId: 'second only', firstSeq: 1, lastSeq: 3 },
  ]);
  await sessions.registry.drain();
});
