import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

// While an earlier group was being acknowledged, a batch whose taking broke off in the middle was acknowledged behind it.
test('a batch of which a session can not be opened is not acknowledged, whatever is under way', async () => {
  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, 'sessions', 'newer'), { recursive: true });
  const manifest = '0000000000000001-0000000000000002_20261121T100000Z.json';
  await writeFile(join(directory.path, 'sessions', 'newer', manifest), '{"format_version":2}');
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  for (let round = 0; round < 60; round++) {
    const stream = client.openBatches();
    const good = Array.from({ length: 20 }, (_, index) => ({ session_id: `good-${round}-${index % 4}`, content: 'x' }));
    stream.send(1, good);
    stream.send(2, good);
    stream.send(3, [
      { session_id: 'newer', content: 'x' },
      { session_id: `after-${round}`, content: 'x' },
    ]);
    expect(await stream.ended).toMatchObject({ code: status.FAILED_PRECONDITION });
    expect(Math.max(0, ...stream.acks.map(({ batch_id }) => batch_id))).toBeLessThan(3);
    expect(await storedLines(directory.path, `after-${round}`)).toEqual([]);
  }
  expect(server.log().split('a session could not be opened').length - 1).toBe(60);
});
