import { expect, test } from 'vitest';
import { ConflictLog } from '../../src/telemetry/conflict-log.js';
import { silentLogger } from '../../src/telemetry/logger.js';

const SENTENCE =
  'a frame was refused: its number is used; do two agents number this session, or did one start its counter again?';

test('a session in conflict is one line a minute, twenty sessions a minute, and then a count of the frames', () => {
  let nowMs = 0;
  const lines: string[] = [];
  const logger = {
    ...silentLogger,
    warn: (fields: object, message: string) => lines.push(`${message} ${JSON.stringify(fields)}`),
  };
  const conflicts = new ConflictLog(logger, () => nowMs);
  for (let frame = 0; frame < 1000; frame++) {
    for (let session = 0; session < 50; session++) {
      conflicts.refused({ sessionId: `s${session}`, seq: frame + 1, lastSeq: 2000 });
    }
  }
  expect(lines).toEqual(
    Array.from({ length: 20 }, (_, session) => `${SENTENCE} {"session":"s${session}","seq":1,"last_seq":2000}`),
  );
  lines.length = 0;
  nowMs = 60_000;
  conflicts.refused({ sessionId: 's1', seq: 7, lastSeq: 2000 });
  nowMs = 120_000;
  conflicts.refused({ sessionId: 's1', seq: 8, lastSeq: 2000 });
  expect(lines).toEqual([
    'frames were refused because their numbers were used {"frames":50000}',
    `${SENTENCE} {"session":"s1","seq":7,"last_seq":2000}`,
    `${SENTENCE} {"session":"s1","seq":8,"last_seq":2000}`,
  ]);
});
