import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { metric } from '../support/process-use.js';
import { rawSocket } from '../support/raw-grpc.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';

const STREAM = 'GET /api/v1/log-streaming/stream/s HTTP/1.1\r\nHost: x\r\n\r\n';
const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';
const UPGRADE =
  'Host: x\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

async function serverWithSession(logDir: string): Promise<ServerProcess> {
  const server = await startServer({ LOG_DIR: logDir });
  using client = new LogClient(server.grpc);
  expect(await client.write([{ session_id: 's', content: 'a' }])).toMatchObject({ ok: true });
  return server;
}

async function send(server: ServerProcess, text: string): Promise<{ socket: Socket; text: () => string }> {
  const socket = await rawSocket(new URL(server.http).host, Buffer.from(text));
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  return { socket, text: () => received };
}

const ended = (socket: Socket): Promise<void> =>
  expect.poll(() => socket.readableEnded || socket.destroyed, { timeout: 5_000 }).toBe(true);

const viewersOpen = async (server: ServerProcess): Promise<number> =>
  (await metric(server.http, 'logweir_viewers_open')).get('kind="sse"') ?? Number.NaN;

test.each([
  ['another protocol', 'GET /healthz HTTP/1.1\r\nUpgrade: nothing\r\n'],
  ['a WebSocket', 'GET /logs/s HTTP/1.1\r\nUpgrade: websocket\r\n'],
  ['a WebSocket of no session', 'GET /logs/none HTTP/1.1\r\nUpgrade: websocket\r\n'],
])('asking for %s behind a stream ends the connection, and nothing else', async (_name, request) => {
  await using directory = await temporaryDirectory();
  await using server = await serverWithSession(directory.path);
  for (const before of [STREAM, HEALTH]) {
    const { socket } = await send(server, `${before}${request}${UPGRADE}\r\n`);
    await ended(socket);
  }
  await expect.poll(() => viewersOpen(server)).toBe(0);
  expect(server.log()).not.toContain('crashed');
});

test('streams that were asked for behind a stream are not begun, and not left over when the connection ends', async () => {
  await using directory = await temporaryDirectory();
  await using server = await serverWithSession(directory.path);
  const connections = await Promise.all(Array.from({ length: 5 }, () => send(server, STREAM.repeat(30))));
  await expect.poll(() => connections.every(({ text }) => text().includes('event: log'))).toBe(true);
  expect(await viewersOpen(server)).toBe(5);
  for (const { socket } of connections) {
    socket.destroy();
  }
  await expect.poll(() => viewersOpen(server)).toBe(0);
});

test('requests sent ahead are answered in order, and more than 64 of them end the connection', async () => {
  await using directory = await temporaryDirectory();
  await using server = await serverWithSession(directory.path);
  const few = await send(server, `${HEALTH.repeat(20)}GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await ended(few.socket);
  expect(few.text().match(/HTTP\/1\.1 (\d+)/g)).toEqual([...Array<string>(20).fill('HTTP/1.1 200'), 'HTTP/1.1 404']);
  const many = await send(server, STREAM.repeat(65));
  await ended(many.socket);
  await expect.poll(() => viewersOpen(server)).toBe(0);
});
