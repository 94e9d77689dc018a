import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { framed, GET_SESSION, RawConnection } from '../support/raw-grpc.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';

// A client whose channel compresses by default compresses its small requests too.
test('a compressed GetSession request is answered like a plain one', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  expect(await client.write([{ session_id: 's', content: 'x' }])).toMatchObject({ ok: true });
  using raw = new RawConnection(server.grpc);
  const request = Buffer.from([0x0a, 1, 0x73]);
  const plain = raw.open(GET_SESSION);
  plain.stream.end(framed(request));
  expect(await plain.ended).toMatchObject({ code: status.OK });
  const compressed = raw.open(GET_SESSION, { 'grpc-encoding': 'gzip' });
  compressed.stream.end(framed(gzipSync(request), 1));
  expect(await compressed.ended).toMatchObject({ code: status.OK });
});
