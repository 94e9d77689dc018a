import { expect, test } from 'vitest';
import { FrameProducer } from '../../src/client/frame-producer.js';
import { LogConnection } from '../../src/client/log-connection.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

const FRAMES = 12_000;
const KILLS = 3;

test('what run and send read is stored once and in order over kill -9 of the server', {
  timeout: 240_000,
}, async () => {
  await using directory = await temporaryDirectory();
  let server = await startServer({ LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '500000' });
  const environment = { LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '500000', GRPC_PORT: portOf(server.grpc) };
  const connection = await LogConnection.open(server.grpc);
  const producer = new FrameProducer(connection, { batchFramesMax: 100, pendingBytesMax: 200_000, giveUpMs: 120_000 });
  let written = 0;
  const writing = (async () => {
    for (; written < FRAMES; written++) {
      await producer.write({ sessionId: 's', content: `${written + 1}` });
    }
  })();
  const storedWhenKilled: number[] = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    const goal = (FRAMES * kill) / (KILLS + 1);
    while (producer.progress.stored < goal) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await server.end('SIGKILL');
    storedWhenKilled.push(producer.progress.stored);
    const lines = await storedLines(directory.path, 's');
    expect(lines.length).toBeGreaterThanOrEqual(producer.progress.stored);
    server = await startServer(environment);
  }
  await writing;
  const report = await producer.finish();
  connection.close();
  await server.end('SIGTERM');
  expect([report.stored, report.unconfirmed, report.error]).toEqual([FRAMES, 0, null]);
  expect(storedWhenKilled.every((stored) => stored < FRAMES)).toBe(true);
  const lines = await storedLines(directory.path, 's');
  expect(lines.map(({ content }) => content)).toEqual(Array.from({ length: FRAMES }, (_, index) => `${index + 1}`));
});

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1);
}
