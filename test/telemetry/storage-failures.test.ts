import { expect, test } from 'vitest';
import { silentLogger } from '../../src/telemetry/logger.js';
import { StorageFailures } from '../../src/telemetry/storage-failures.js';

test('a full disk is one line, one a minute while it lasts, and one when it is over, however many sessions fail', () => {
  let nowMs = 0;
  const lines: string[] = [];
  const logger = {
    ...silentLogger,
    error: (fields: object, message: string) => lines.push(`${message} ${JSON.stringify(fields)}`),
    info: (_fields: object, message: string) => lines.push(message),
  };
  const failures = new StorageFailures(logger, () => nowMs);
  for (let second = 0; second < 90; second += 2) {
    nowMs = second * 1000;
    for (let session = 0; session < 100; session++) {
      failures.failed(`s${session}`, 'ENOSPC', 'the disk is full');
    }
  }
  for (let session = 0; session < 100; session++) {
    failures.recovered(`s${session}`);
  }
  expect(lines).toEqual([
    'frames can\'t be stored: the disk is full {"code":"ENOSPC","session":"s0","sessions":1}',
    'frames can\'t be stored: the disk is full {"code":"ENOSPC","session":"s0","sessions":100}',
    'frames are stored again',
  ]);
  failures.failed('s1', 'EIO', 'the disk failed');
  expect(lines.length).toBe(4);
});
