/** A viewer that went away while its session was looked up was let in afterwards, and never let go of. */
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { LogEvent } from '../../src/reading/log-events.js';
import { httpRoom } from '../http/http-room.js';
import { MemoryLogs } from '../http/memory-logs.js';

/** Readings wait until a test lets them go on. */
class HeldLogs extends MemoryLogs {
  readonly held: (() => void)[] = [];

  override async *read(...args: Parameters<MemoryLogs['read']>): AsyncGenerator<LogEvent, void> {
    await new Promise<void>((resolve) => this.held.push(resolve));
    yield* super.read(...args);
  }
}

describe('a viewer that leaves before it is let in', () => {
  it.each([
    ['server-sent events', 'GET /api/v1/log-streaming/stream/s HTTP/1.1\r\nHost: h\r\n\r\n', 'sse'],
    [
      'a WebSocket',
      'GET /logs/s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
      'websocket',
    ],
    ['a download', 'GET /api/v1/sessions/s/logs HTTP/1.1\r\nHost: h\r\n\r\n', 'http'],
  ])('of %s holds nothing', async (_, request, kind) => {
    const source = new HeldLogs();
    source.append('s', 'one');
    await using room = await httpRoom({ source });
    const socket = connect(room.server.port, '127.0.0.1');
    socket.write(request);
    await expect.poll(() => source.held.length).toBe(1);
    socket.destroy();
    // Another request behind it: the server has seen that the first one is gone.
    await fetch(`${room.url}/livez`);
    for (let turns = 0; turns < 10; turns++) {
      await turn();
    }
    for (const goOn of source.held.splice(0)) {
      goOn();
    }
    await expect.poll(() => source.open).toBe(0);
    await expect.poll(() => room.metric(`logweir_viewers_open{kind="${kind}"}`)).toBe(0);
  });
});
