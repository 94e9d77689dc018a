import { setTimeout as after } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';

// A client that closes its channel tells the server that it opens no more calls (GOAWAY); those it has go on. That was taken for the
// connection's age.
test('a stream goes on after its client closed the channel', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path, GRPC_CONNECTION_AGE_GRACE_SECONDS: '2' });
  const client = new LogClient(server.grpc);
  const stream = client.open();
  await stream.send({ session_id: 's', content: 'first' });
  await after(200);
  client[Symbol.dispose]();
  for (let sent = 0; sent < 20; sent++) {
    await after(100);
    await stream.send({ session_id: 's', content: `${sent}` });
  }
  expect(await stream.finish()).toMatchObject({ ok: true, response: { frames_received: 21 } });
});
