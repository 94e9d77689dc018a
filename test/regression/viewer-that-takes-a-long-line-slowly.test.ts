/**
 * While a line waited for its socket no ping went out, but each one that would have gone counted as unanswered: a viewer over WebSocket that
 * needed longer than five of them for a line was cut off at the same line each time it came back, though it took bytes all the while.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type HttpRoom, httpRoom } from '../http/http-room.js';

const HEARTBEAT_MS = 40;
/** Twice the pings that may go unanswered. */
const SLOW_MS = 10 * HEARTBEAT_MS;
const STEP_MS = 5;
/** More than the kernel holds of a connection (33 MB by Linux's defaults) and what is taken at one slow step after the other. */
const LONG_LINE_BYTES = 64 << 20;
/** Unmasked by a key of zeros. */
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);
const HANDSHAKE = [
  'GET /logs/s HTTP/1.1',
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  '\r\n',
].join('\r\n');

/** Takes what has come when it is told to, at most what its stream holds: 64 KiB. */
class SlowPeer implements Disposable {
  readonly socket: Socket;
  takenBytes = 0;
  tail = '';

  constructor(room: HttpRoom) {
    this.socket = connect(room.server.port, '127.0.0.1');
    this.socket.on('error', () => undefined);
    this.socket.write(HANDSHAKE);
  }

  take(): void {
    const bytes = this.socket.read() as Buffer | null;
    this.takenBytes += bytes?.length ?? 0;
    this.tail = (this.tail + (bytes?.toString('latin1') ?? '')).slice(-500);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

const delivered = (room: HttpRoom): Promise<number> => room.metric('logweir_lines_delivered_total');
const viewers = (room: HttpRoom): Promise<number> => room.metric('logweir_viewers_open{kind="websocket"}');

it('a viewer that takes a long line slowly gets all of it, and stays', async () => {
  await using room = await httpRoom({ heartbeatMs: HEARTBEAT_MS });
  room.logs.append('s', 'x'.repeat(LONG_LINE_BYTES));
  room.logs.append('s', 'the line behind it');
  using peer = new SlowPeer(room);
  await once(peer.socket, 'readable');
  for (const untilMs = performance.now() + SLOW_MS; performance.now() < untilMs; ) {
    await delay(STEP_MS);
    peer.take();
  }
  // The long line was on its way all the time, and is still.
  expect([await viewers(room), await delivered(room)]).toEqual([1, 0]);
  const takeOn = (): string => {
    peer.take();
    // To the pings that come behind the line.
    peer.socket.write(PONG);
    return peer.tail;
  };
  await expect.poll(takeOn, { interval: 0 }).toContain('the line behind it');
  expect(peer.takenBytes).toBeGreaterThan(LONG_LINE_BYTES);
  expect(await viewers(room)).toBe(1);
  room.logs.append('s', 'one more');
  await expect.poll(takeOn, { interval: 0 }).toContain('one more');
});

it('a viewer that takes nothing is cut off once that has lasted, and not for pings that were not sent', async () => {
  const stallMs = 1_000;
  await using room = await httpRoom({ heartbeatMs: 10, stallMs });
  room.logs.append('s', 'x'.repeat(LONG_LINE_BYTES));
  const startedMs = performance.now();
  using peer = new SlowPeer(room);
  await once(peer.socket, 'readable');
  await expect.poll(() => viewers(room)).toBe(0);
  // At the least: only a busy machine takes longer.
  expect(performance.now() - startedMs).toBeGreaterThan(0.9 * stallMs);
  await expect.poll(() => room.logs.open).toBe(0);
});
