/**
 * The last bytes that a viewer is sent waited for it without a limit (SSE, downloads), or were thrown away after two seconds although it
 * was only slow (WebSocket).
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HttpRoom, httpRoom } from '../http/http-room.js';

const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
const LINE = 'x'.repeat(4_000);

/** The server's ends of the connections. */
const accepted: Socket[] = [];
const remember = (message: unknown): void => {
  accepted.push((message as { socket: Socket }).socket);
};
beforeAll(() => subscribe('net.server.socket', remember));
afterAll(() => unsubscribe('net.server.socket', remember));

/** A viewer that takes nothing, up to where its socket's buffers are full and a few bytes are left behind. */
async function fullViewer(room: HttpRoom, path: string, headers = ''): Promise<Socket> {
  room.logs.append('s', 'begin');
  const socket = connect(room.server.port, '127.0.0.1');
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: h\r\n${headers}\r\n`);
  await expect.poll(() => room.metric('logweir_lines_delivered_total')).toBe(1);
  const server = accepted.at(-1);
  for (let lines = 1; server?.writableLength === 0; lines++) {
    room.logs.append('s', LINE);
    await expect.poll(() => room.metric('logweir_lines_delivered_total'), { interval: 0 }).toBe(lines + 1);
  }
  expect(server?.writableNeedDrain).toBe(false);
  return socket;
}

describe('the last lines of a session', () => {
  it('are not kept for a viewer of server-sent events that takes nothing any more', async () => {
    await using room = await httpRoom({ stallMs: 300 });
    const socket = await fullViewer(room, '/api/v1/log-streaming/stream/s');
    room.logs.complete('s');
    await expect.poll(() => room.metric('logweir_viewers_open{kind="sse"}'), { timeout: 5_000 }).toBe(0);
    socket.destroy();
  }, 60_000);

  it('reach a viewer of a WebSocket that is slow', async () => {
    await using room = await httpRoom();
    const socket = await fullViewer(room, '/logs/s', UPGRADE);
    room.logs.complete('s');
    await delay(2_500);
    let last = '';
    socket.on('data', (bytes: Buffer) => {
      last = (last + bytes.toString('latin1')).slice(-1_000);
    });
    socket.resume();
    await expect.poll(() => last, { timeout: 5_000 }).toContain('"type":"complete"');
    socket.destroy();
  }, 60_000);
});
