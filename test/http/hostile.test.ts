import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startHttpServer } from '../../src/http/server.js';
import { silentLogger } from '../../src/telemetry/logger.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { rawSocket } from '../support/raw-grpc.js';
import { noSessions } from './http-room.js';
import { MemoryLogs } from './memory-logs.js';

async function start(maxConnections: number): Promise<{ address: string; close: () => Promise<void> }> {
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    maxConnections,
    logger: silentLogger,
    metrics: new Metrics({ version: 'test' }),
    readiness: () => ({ ready: true, reasons: [] }),
    source: new MemoryLogs(),
    sessions: noSessions,
  });
  return { address: `127.0.0.1:${server.port}`, close: () => server.close() };
}

/** Everything that the server answers until it closes the connection. */
async function answerTo(address: string, bytes: string): Promise<string> {
  const socket = await rawSocket(address, Buffer.from(bytes));
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(socket, 'end');
  socket.destroy();
  return text;
}

test.each([
  ['a huge URL', `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ['huge headers', `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
])('%s is refused with 431', async (_name, request) => {
  const { address, close } = await start(10);
  expect(await answerTo(address, request)).toMatch(/^HTTP\/1\.1 431 /);
  await close();
});

test('connections over the limit are closed, and those whose headers never end give their place back', async () => {
  const { address, close } = await start(5);
  const slow = await Promise.all(
    Array.from({ length: 20 }, () => rawSocket(address, Buffer.from('GET / HTTP/1.1\r\nX: '))),
  );
  const open = (): number => slow.filter((socket) => !socket.destroyed && !socket.readableEnded).length;
  for (const socket of slow) {
    socket.resume();
  }
  await expect.poll(open, { timeout: 30_000 }).toBeLessThanOrEqual(5);
  await expect.poll(open, { timeout: 30_000 }).toBe(0);
  for (const socket of slow) {
    socket.destroy();
  }
  await expect.poll(async () => (await fetch(`http://${address}/healthz`)).status, { timeout: 30_000 }).toBe(200);
  await close();
}, 90_000);
