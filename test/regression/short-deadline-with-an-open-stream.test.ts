import { expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

// Open streams had two seconds to end by themselves, whatever the deadline: with one of two seconds or less, SIGTERM killed the
// server as soon as a single agent was connected, and the agent's last answer never came.
test('SIGTERM answers open streams and ends with 0 under a deadline of two seconds', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path, SHUTDOWN_DEADLINE_SECONDS: '2' });
  using client = new LogClient(server.grpc);
  const stream = client.open();
  await stream.send({ session_id: 'open', content: 'before the signal' });
  await expect.poll(() => storedLines(directory.path, 'open').then((lines) => lines.length)).toBe(1);
  expect(await server.end('SIGTERM')).toBe(0);
  expect(await stream.answer).toMatchObject({ ok: false, code: 14 });
});
