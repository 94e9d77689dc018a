import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ReadingError } from '../../src/reading/reading-error.js';
import { type HttpRoom, httpRoom } from './http-room.js';

interface Message {
  type: string;
  seq?: number;
  [field: string]: unknown;
}

/** A viewer with what it was told; `closed` resolves to code and whether the handshake of closing was made. */
class Viewer {
  readonly socket: WebSocket;
  readonly messages: Message[] = [];
  readonly closed: Promise<number>;

  constructor(room: HttpRoom, path: string, options: { origin?: string; autoPong?: boolean } = {}) {
    this.socket = new WebSocket(`${room.url.replace('http', 'ws')}${path}`, options);
    this.socket.on('message', (bytes: Buffer, isBinary) => {
      expect(isBinary).toBe(false);
      this.messages.push(JSON.parse(bytes.toString()) as Message);
    });
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    this.socket.on('error', () => undefined);
  }

  seqs(): (number | undefined)[] {
    return this.messages.filter(({ type }) => type === 'log').map(({ seq }) => seq);
  }
}

/** How a handshake is refused. */
async function refusal(room: HttpRoom, path: string, headers: Record<string, string> = {}): Promise<[number, unknown]> {
  const socket = new WebSocket(`${room.url.replace('http', 'ws')}${path}`, { headers });
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    NodeJS.ReadableStream & { statusCode: number },
  ];
  return [response.statusCode, JSON.parse(await text(response))];
}

const openSockets = (room: HttpRoom): Promise<number> => room.metric('logweir_viewers_open{kind="websocket"}');

describe('a session as a WebSocket', () => {
  it('is its history, what comes then, and how it ended', async () => {
    await using room = await httpRoom();
    room.logs.append('a/b ü', 'one', 'x'.repeat(200), 'y'.repeat(70_000));
    const viewer = new Viewer(room, `/logs/${encodeURIComponent('a/b ü')}`);
    await expect.poll(() => viewer.seqs()).toEqual([1, 2, 3]);
    expect(viewer.messages[0]).toEqual({
      type: 'log',
      content: 'one',
      isComplete: false,
      status: 'running',
      seq: 1,
      time: '2026-11-21T10:00:00Z',
      role: 'stdout',
    });
    expect(viewer.messages[2]?.['content']).toBe('y'.repeat(70_000));
    room.logs.lose('a/b ü', 2);
    room.logs.append('a/b ü', '', 'sechs ü');
    room.logs.complete('a/b ü', 'failed', 7);
    expect(await viewer.closed).toBe(1000);
    expect(viewer.messages.slice(3)).toMatchObject([
      { type: 'gap', firstSeq: 4, lastSeq: 5 },
      { type: 'log', content: '', seq: 6 },
      { type: 'log', content: 'sechs ü', seq: 7 },
      { type: 'complete', isComplete: true, status: 'failed', exitCode: 7, lastSeq: 7 },
    ]);
    expect(room.logs.open).toBe(0);
  });

  it('completes also for a viewer that comes after the end', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    room.logs.complete('s', '', null);
    const viewer = new Viewer(room, '/logs/s');
    expect(await viewer.closed).toBe(1000);
    expect(viewer.messages.map(({ type }) => type)).toEqual(['log', 'complete']);
    expect(viewer.messages[1]).toEqual({ type: 'complete', isComplete: true, status: 'stopped', lastSeq: 1 });
    const beyond = new Viewer(room, '/logs/s?after_seq=100');
    expect(await beyond.closed).toBe(1000);
    expect(beyond.messages.map(({ type }) => type)).toEqual(['complete']);
  });

  it('takes a cursor and filters', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one', 'two', 'three');
    const viewers = ['?after_seq=2', '?tail=1', '?keywords=REE', '?pattern=^th'].map(
      (query) => new Viewer(room, `/logs/s${query}`),
    );
    await expect.poll(() => viewers.map((viewer) => viewer.seqs())).toEqual([[3], [3], [3], [3]]);
    for (const { socket } of viewers) {
      socket.close();
    }
  });

  it('tells an error before it closes', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    const viewer = new Viewer(room, '/logs/s');
    await expect.poll(() => viewer.seqs()).toEqual([1]);
    room.logs.fail('s', new ReadingError('UNSETTLED', 'files keep vanishing'));
    expect(await viewer.closed).toBe(1011);
    expect(viewer.messages.at(-1)).toMatchObject({
      type: 'error',
      code: 'UNSETTLED',
      message: 'files keep vanishing',
      retry: true,
    });
  });
});

describe('a handshake', () => {
  it('is refused with what is wrong', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    expect(await refusal(room, '/logs/unknown')).toMatchObject([404, { error: 'there is no session "unknown"' }]);
    expect(await refusal(room, '/logs/s?after_seq=x')).toMatchObject([400, { parameter: 'after_seq' }]);
    expect(await refusal(room, '/logs/s?pattern=(')).toMatchObject([400, { parameter: 'pattern' }]);
    expect(await refusal(room, '/logs/%zz')).toMatchObject([400, { parameter: 'session_id' }]);
    expect(await refusal(room, '/elsewhere')).toMatchObject([404, { error: 'not found' }]);
    expect(room.logs.open).toBe(0);
    expect(await openSockets(room)).toBe(0);
  });

  it('of a page from elsewhere is refused', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    for (const origin of ['http://evil.example', 'null', `${room.url}1`]) {
      expect(await refusal(room, '/logs/s', { origin })).toMatchObject([403, {}]);
    }
    const viewer = new Viewer(room, '/logs/s', { origin: room.url });
    await expect.poll(() => viewer.seqs()).toEqual([1]);
    viewer.socket.close();
  });

  it('that is none is answered as any request', async () => {
    await using room = await httpRoom();
    const plain = await fetch(`${room.url}/logs/s`);
    expect([plain.status, plain.headers.get('upgrade')]).toEqual([426, 'websocket']);
    const raw = async (request: string): Promise<string> => {
      const socket = connect(room.server.port, '127.0.0.1');
      socket.write(request);
      return text(socket);
    };
    const h2c = await raw('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    expect(h2c).toMatch(/^HTTP\/1.1 200 OK\r\n(?:.+\r\n)*\r\nok\n$/);
    room.logs.append('s', 'one');
    const broken = await raw('GET /logs/s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    expect(broken).toMatch(/^HTTP\/1.1 (?:400|426) /);
    expect(await openSockets(room)).toBe(0);
  });
});

describe('what a viewer holds', () => {
  it('is released however it leaves', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    const viewers = Array.from({ length: 50 }, () => new Viewer(room, '/logs/s'));
    await expect.poll(() => room.logs.open).toBe(50);
    await expect.poll(() => openSockets(room)).toBe(50);
    for (const [index, { socket }] of viewers.entries()) {
      if (index % 2 === 0) {
        socket.close();
      } else {
        socket.terminate();
      }
    }
    await expect.poll(() => room.logs.open).toBe(0);
    await expect.poll(() => openSockets(room)).toBe(0);
  });

  it('is one chunk when it does not read', async () => {
    await using room = await httpRoom();
    const chunk = Array.from({ length: 100 }, () => 'x'.repeat(1000));
    room.logs.append('s', ...chunk);
    const slow = new Viewer(room, '/logs/s');
    await once(slow.socket, 'open');
    slow.socket.pause();
    for (let index = 0; index < 300; index++) {
      room.logs.append('s', ...chunk);
    }
    await expect.poll(() => room.logs.taken).toBeGreaterThan(5);
    await delay(200);
    expect(room.logs.taken).toBeLessThan(150);
    slow.socket.resume();
    await expect.poll(() => slow.seqs().length).toBe(30_100);
    expect(slow.seqs()).toEqual(Array.from({ length: 30_100 }, (_, index) => index + 1));
    slow.socket.terminate();
  });

  it('is let go of when it takes nothing for too long', async () => {
    await using room = await httpRoom({ stallMs: 300 });
    room.logs.append('s', ...Array.from({ length: 100 }, () => 'x'.repeat(1_000_000)));
    const stalled = new Viewer(room, '/logs/s');
    await once(stalled.socket, 'open');
    stalled.socket.pause();
    await expect.poll(() => openSockets(room)).toBe(0);
    expect(room.logs.open).toBe(0);
    stalled.socket.terminate();
  });

  it('is let go of when it does not answer', async () => {
    await using room = await httpRoom({ heartbeatMs: 20 });
    room.logs.append('s', 'one');
    const lively = new Viewer(room, '/logs/s');
    const dead = new Viewer(room, '/logs/s', { autoPong: false });
    expect(await dead.closed).toBe(1006);
    expect(lively.socket.readyState).toBe(WebSocket.OPEN);
    await expect.poll(() => openSockets(room)).toBe(1);
    lively.socket.terminate();
  });

  it('is no room for what clients say', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    const viewer = new Viewer(room, '/logs/s');
    await once(viewer.socket, 'open');
    viewer.socket.send('hello');
    await expect.poll(() => viewer.seqs()).toEqual([1]);
    viewer.socket.send('x'.repeat(2000));
    expect(await viewer.closed).toBe(1009);
    await expect.poll(() => room.logs.open).toBe(0);
  });
});

it('the end of the server is told to every viewer, and waits for none', async () => {
  const room = await httpRoom();
  room.logs.append('s', 'one');
  const viewer = new Viewer(room, '/logs/s');
  const stuck = new Viewer(room, '/logs/s');
  await expect.poll(() => [...viewer.seqs(), ...stuck.seqs()]).toEqual([1, 1]);
  stuck.socket.pause();
  for (let index = 0; index < 100; index++) {
    room.logs.append('s', 'x'.repeat(1_000_000));
  }
  await expect.poll(() => viewer.seqs().length).toBe(101);
  await room.server.close();
  expect(await viewer.closed).toBe(1001);
  expect(viewer.messages.at(-1)).toMatchObject({ type: 'error', code: 'SHUTTING_DOWN', retry: true });
  stuck.socket.terminate();
  await expect.poll(() => room.logs.open).toBe(0);
});
