/**
 * Half-open and hostile peers: each attack is bounded by configuration, not by load. The server is a process of its own with
 * small limits; while it is attacked an honest agent goes on, and is acknowledged.
 */
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { encodeFrame } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { metric, openDescriptors, watchRss } from '../support/process-use.js';
import {
  callHeaders,
  type Ended,
  flood,
  framed,
  HANDSHAKE,
  header,
  http2Frame,
  http2Frames,
  RawConnection,
  rawSocket,
  WRITE_LOG_BATCHES,
  WRITE_LOG_STREAM,
} from '../support/raw-grpc.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';
import { amount, measured } from './amounts.js';

const MIB = 1024 * 1024;
const ROW = 'hostile peers';
const SETTINGS = 4;
const PING = 6;
const RST_STREAM = 3;
const ACK = 1;
const HEADERS = 1;
const CONTINUATION = 9;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess;
let honest: LogClient;
let batch = 0;
let agent: ReturnType<LogClient['openBatches']>;

beforeAll(async () => {
  directory = await temporaryDirectory();
  server = await startServer({
    LOG_DIR: directory.path,
    LOG_MAX_QUEUE_BYTES: String(32 * MIB),
    GRPC_MAX_RECEIVE_BYTES: String(16 * MIB),
    GRPC_MAX_CONNECTIONS: '20',
    GRPC_MAX_STREAMS: '500',
    GRPC_HANDSHAKE_SECONDS: '2',
  });
  honest = new LogClient(server.grpc);
  agent = honest.openBatches();
  await acknowledged();
});

// Whatever happened, the agent that was there before goes on, and everything it sent is stored.
afterEach(async () => {
  await acknowledged();
  expect(await storedLines(directory.path, 'honest')).toHaveLength(batch);
});

afterAll(async () => {
  honest[Symbol.dispose]();
  await server.end('SIGKILL');
  await directory[Symbol.asyncDispose]();
});

async function acknowledged(): Promise<void> {
  agent.send(++batch, [{ session_id: 'honest', content: `${batch}` }]);
  await agent.acknowledged(batch);
}

async function connections(): Promise<number | undefined> {
  return (await metric(server.http, 'logweir_connections_open')).get('');
}

function countOf(answers: readonly Ended[], code: number | null): number {
  return answers.filter((answer) => answer.code === code).length;
}

describe('hostile peers: memory follows configuration', () => {
  test('compression bombs', async () => {
    const bomb = framed(gzipSync(Buffer.alloc(2 * MIB)), 1);
    const streams = amount(200, 400);
    const peak = watchRss(server.pid);
    using connection = new RawConnection(server.grpc);
    const calls = Array.from({ length: streams }, () => connection.open(WRITE_LOG_STREAM, { 'grpc-encoding': 'gzip' }));
    for (const { stream } of calls) {
      stream.end(Buffer.concat(Array.from({ length: 20 }, () => bomb)));
    }
    await acknowledged();
    const answers = await Promise.all(calls.map(({ ended }) => ended));
    expect(countOf(answers, status.INVALID_ARGUMENT)).toBe(streams);
    expect(answers[0]?.details).toBe('frame 0 (counted from 0): frame is larger than LOG_MAX_FRAME_BYTES (1048576)');
    expect(peak()).toBeLessThan(150 * MIB);
    measured(ROW, { 'compression bombs': streams * 20, 'of them RSS MiB': Math.round(peak() / MIB) });
  });

  test('unfinished messages on very many streams', async () => {
    const peak = watchRss(server.pid);
    const peers = Array.from({ length: amount(4, 8) }, () => new RawConnection(server.grpc));
    const calls = peers.flatMap((peer) => Array.from({ length: 100 }, () => peer.open(WRITE_LOG_STREAM)));
    const most = Buffer.concat([header(MIB), Buffer.alloc(MIB - 1)]);
    for (const { stream } of calls) {
      stream.write(most);
    }
    const claimed = async (): Promise<number> => (await metric(server.http, 'logweir_receive_bytes')).get('') ?? 0;
    await expect.poll(claimed, { timeout: 30_000 }).toBeGreaterThan(14 * MIB);
    expect(await claimed()).toBeLessThanOrEqual(16 * MIB);
    await acknowledged();
    // An agent with a large frame waits behind those that stall, until these lose their claims.
    const large = await honest.write([{ session_id: 'large', content: 'x'.repeat(500_000) }]);
    expect([true, false]).toContain(large.ok);
    expect(peak()).toBeLessThan(150 * MIB);
    const refused = async (): Promise<number> =>
      (await metric(server.http, 'logweir_streams_ended_total')).get('reason="overload"') ?? 0;
    // Of those that nobody waits behind, as many as fit into the budget stay.
    await expect.poll(refused, { timeout: 60_000 }).toBeGreaterThanOrEqual(calls.length - 16);
    for (const peer of peers) {
      peer[Symbol.dispose]();
    }
    await expect.poll(claimed, { timeout: 30_000 }).toBe(0);
    expect(await honest.write([{ session_id: 'large', content: 'x'.repeat(500_000) }])).toMatchObject({ ok: true });
    measured(ROW, { 'unfinished messages of 1 MiB': calls.length, 'with them RSS MiB': Math.round(peak() / MIB) });
  }, 180_000);

  test('a peer that never reads its acknowledgements', async () => {
    const peak = watchRss(server.pid);
    using connection = new RawConnection(server.grpc);
    const { stream } = connection.open(WRITE_LOG_BATCHES);
    stream.pause();
    let taken = 0;
    const reason = 'x'.repeat(10);
    let stalled = 0;
    for (let id = 1; stalled < 4 && taken < 64 * MIB; id++) {
      const bad = Array.from({ length: 2000 }, () => [0x12, 2, 0x3a, 0]).flat();
      const bytes = framed(
        Buffer.concat([
          Buffer.from([0x08, ...varint(id)]),
          Buffer.from(bad),
          Buffer.from([0x12, 12, 0x3a, 10]),
          Buffer.from(reason),
        ]),
      );
      if (stream.write(bytes)) {
        stalled = 0;
      } else {
        const drained = new Promise((resolve) => stream.once('drain', () => resolve('drained')));
        const tired = new Promise((resolve) => setTimeout(() => resolve('tired'), 500));
        stalled = (await Promise.race([drained, tired])) === 'tired' ? stalled + 1 : 0;
      }
      taken += bytes.length;
    }
    expect(stalled).toBe(4);
    expect(peak()).toBeLessThan(150 * MIB);
    measured(ROW, { 'MiB taken of a peer that reads no acknowledgement': Math.round(taken / MIB) });
  });
});

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** HEADERS of a call of WriteLogStream, and RST_STREAM (CANCEL) behind it. */
function openedAndReset(streamId: number): Buffer {
  return Buffer.concat([callHeaders(streamId, {}), http2Frame(RST_STREAM, 0, streamId, Buffer.from([0, 0, 0, 8]))]);
}

describe('hostile peers: connections and streams', () => {
  test('more connections than GRPC_MAX_CONNECTIONS are refused, and silent ones are freed', async () => {
    const before = openDescriptors(server.pid);
    const peers = amount(300, 2000);
    const sockets = await Promise.all(Array.from({ length: peers }, () => rawSocket(server.grpc)));
    expect(await connections()).toBeLessThanOrEqual(20);
    expect(openDescriptors(server.pid)).toBeLessThan(before + 30);
    await acknowledged();
    expect(server.log()).toContain('connections are refused: as many are open as GRPC_MAX_CONNECTIONS allows');
    await expect.poll(connections, { timeout: 30_000 }).toBe(1);
    for (const socket of sockets) {
      socket.destroy();
    }
    await expect.poll(() => openDescriptors(server.pid), { timeout: 30_000 }).toBeLessThanOrEqual(before + 2);
    using another = new LogClient(server.grpc);
    expect(await another.write([{ session_id: 'after', content: 'x' }])).toMatchObject({ ok: true });
    measured(ROW, { 'silent connections': peers });
  });

  test('more streams than GRPC_MAX_STREAMS are refused, and can be made again', async () => {
    using connection = new RawConnection(server.grpc);
    const calls = Array.from({ length: 600 }, () => connection.open(WRITE_LOG_STREAM));
    const refused = calls.slice(499).map(({ ended }) => ended);
    expect(countOf(await Promise.all(refused), status.RESOURCE_EXHAUSTED)).toBe(101);
    await acknowledged();
    for (const { stream } of calls.slice(0, 499)) {
      stream.end(framed(encodeFrame({ session_id: 'many' })));
    }
    const answers = await Promise.all(calls.slice(0, 499).map(({ ended }) => ended));
    expect(countOf(answers, status.OK)).toBe(499);
  });

  test('headers over GRPC_MAX_METADATA_BYTES, or very many, reset the call', async () => {
    const large = Array.from({ length: 500 }, (_, index) =>
      callHeaders(2 * index + 1, { 'x-large': 'a'.repeat(20_000) }),
    );
    const many = callHeaders(1001, Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`x-${index}`, 'v'])));
    const socket = await rawSocket(server.grpc, HANDSHAKE);
    const received: Buffer[] = [];
    const ofType = (type: number): number[] =>
      http2Frames(Buffer.concat(received)).flatMap((frame) => (frame.type === type ? [frame.streamId] : []));
    socket.on('data', (bytes) => received.push(bytes));
    // The limit is in force once the peer has said that it took the server's settings.
    await expect.poll(() => ofType(SETTINGS).length).toBeGreaterThan(0);
    const peak = watchRss(server.pid);
    socket.write(Buffer.concat([http2Frame(SETTINGS, ACK, 0, Buffer.alloc(0)), ...large, many]));
    await expect.poll(() => new Set(ofType(RST_STREAM)).size, { timeout: 30_000 }).toBe(501);
    expect(peak()).toBeLessThan(60 * MIB);
    socket.destroy();
  });

  test('calls that are reset as soon as they are opened end the connection', async () => {
    const socket = await rawSocket(server.grpc, HANDSHAKE);
    const peak = watchRss(server.pid);
    let opened = 0;
    for (; opened < 100_000 && !socket.destroyed; opened += 100) {
      const resets = Array.from({ length: 100 }, (_, index) => openedAndReset(2 * (opened + index) + 1));
      await flood(socket, Buffer.concat(resets), 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(opened).toBeLessThan(100_000);
    expect(peak()).toBeLessThan(100 * MIB);
    socket.destroy();
    measured(ROW, { 'resets until thrown out': opened });
  });

  test.each([
    ['SETTINGS', HANDSHAKE, http2Frame(SETTINGS, 0, 0, Buffer.alloc(0))],
    ['PING', HANDSHAKE, http2Frame(PING, 0, 0, Buffer.alloc(8))],
    [
      'CONTINUATION',
      Buffer.concat([HANDSHAKE, http2Frame(HEADERS, 0, 1, Buffer.from([0x82]))]),
      http2Frame(CONTINUATION, 0, 1, Buffer.alloc(16_384, 0x82)),
    ],
  ])('a flood of %s frames ends the connection', async (name, start, frame) => {
    const socket = await rawSocket(server.grpc, start);
    const peak = watchRss(server.pid);
    const times = await flood(socket, Buffer.concat(Array.from({ length: 500 }, () => frame)), 2000);
    expect(times).toBeLessThan(2000);
    expect(peak()).toBeLessThan(60 * MIB);
    socket.destroy();
    measured(ROW, { [`${name} frames until thrown out, at most`]: (times + 1) * 500 });
  });

  test('a stream that opens very many sessions does not hold up the acknowledgements of others', async () => {
    using flooding = new LogClient(server.grpc);
    const sessions = amount(5000, 20_000);
    let over = false;
    const flooded = flooding
      .write(Array.from({ length: sessions }, (_, index) => ({ session_id: `flood-${index}`, content: 'x' })))
      .finally(() => {
        over = true;
      });
    const from = batch;
    let longestMs = 0;
    while (!over) {
      const askedMs = performance.now();
      await acknowledged();
      longestMs = Math.max(longestMs, performance.now() - askedMs);
    }
    expect(await flooded).toMatchObject({ ok: true, response: { frames_written: sessions } });
    // That they take turns is held by test/session/lane.test.ts; here, that there is nothing else to wait for.
    expect(batch - from).toBeGreaterThan(20);
    measured(ROW, {
      'sessions of one stream': sessions,
      'acknowledgements meanwhile': batch - from,
      'longest wait for one, ms': Math.round(longestMs),
    });
  });
});
