import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { completeSession } from '../../src/client/complete-session.js';
import { LogConnection } from '../../src/client/log-connection.js';
import { LogReader } from '../../src/client/log-reader.js';
import { LogTail } from '../../src/client/log-tail.js';
import { readConfig } from '../../src/config.js';
import { frameMessages } from '../../src/grpc/line-messages.js';
import { LogLines } from '../../src/reading/log-events.js';
import { type Clock, systemClock } from '../../src/segment/clock.js';
import { startService } from '../../src/service.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { TcpProxy } from '../client/tcp-proxy.js';
import type { FrameFields } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { metric, watchRss } from '../support/process-use.js';
import { ReaderClient, type StreamRequest } from '../support/reader-client.js';
import { seqs } from '../support/seqs.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { SLOW_PATTERN, slowText } from '../support/slow-filter.js';

const WAITING = { timeout: 30_000, interval: 5 };

async function start(logDir: string, env: Record<string, string> = {}, clock: Clock = systemClock) {
  const config = readConfig({ LOG_DIR: logDir, GRPC_PORT: '0', HTTP_PORT: '0', ...env });
  const service = await startService(config, { logger: createLogger('silent'), version: 'test', clock });
  const address = `127.0.0.1:${service.grpcPort}`;
  const writer = new LogClient(address);
  const reader = new ReaderClient(address);
  const http = `http://127.0.0.1:${service.httpPort}`;
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopped ??= service.stop();
    return stopped;
  };
  return {
    writer,
    reader,
    address,
    http,
    stop,
    openReaders: async () => (await metric(http, 'logweir_viewers_open')).get('kind="grpc"'),
    async [Symbol.asyncDispose]() {
      writer[Symbol.dispose]();
      reader[Symbol.dispose]();
      await stop();
    },
  };
}

const frames = (from: number, to: number, fields: FrameFields = {}): FrameFields[] =>
  seqs(from, to).map((seq) => ({ session_id: 's', content: `line ${seq}`, ...fields }));

test('gives a thousand lines over rotations as the frames that were sent, then the end', async () => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path, { LOG_MAX_SIZE_BYTES: '10000' });
  const sent = seqs(1, 1000).map((seq) => ({
    session_id: 's',
    content: `line ${seq} "é\n`,
    role: seq % 2 === 0 ? 'tool' : '',
    time: { seconds: 1_795_255_200 + seq, nanos: seq },
    producer_id: 'p',
    producer_seq: seq,
  }));
  await service.writer.write(sent);
  const stream = service.reader.stream({ session_id: 's' });
  expect(await stream.ended).toEqual({ code: status.OK, details: 'OK' });
  expect(stream.messages.slice(0, -1).map(({ frame }) => frame)).toEqual(
    sent.map((frame, index) => ({ ...frame, seq: index + 1, user_id: '', version: 0, metadata: null })),
  );
  expect(stream.messages.at(-1)).toEqual({ event: 'end', end: { status: 'active', last_seq: 1000 } });
  expect((await metric(service.http, 'logweir_lines_delivered_total')).get('')).toBe(1000);
  const finished = join(directory.path, 'sessions', 's');
  await expect.poll(async () => (await readdir(finished)).length, WAITING).toBeGreaterThan(5);
});

test.each<[StreamRequest, number[]]>([
  [{ after_seq: 7 }, [8, 9, 10]],
  [{ tail: 2 }, [9, 10]],
  [{ tail: 100 }, seqs(1, 10)],
  [{ after_seq: 10 }, []],
  [{ after_seq: 2 ** 53 - 1 }, []],
  [{ filter: { pattern: '^line [25]$' } }, [2, 5]],
  [{ filter: { roles: ['even'] }, after_seq: 4 }, [6, 8, 10]],
  [{ filter: { roles: ['even'], keywords: ['LINE 1'] } }, [10]],
  [{ filter: { start_time: { seconds: 5 }, end_time: { seconds: 7, nanos: 1 } } }, [5, 6, 7]],
])('%j gives these lines and ends', async (request, expected) => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path, { LOG_MAX_SIZE_BYTES: '300' });
  await service.writer.write(
    frames(1, 10).map((frame, index) => ({
      ...frame,
      role: index % 2 === 1 ? 'even' : 'odd',
      time: { seconds: index + 1, nanos: 0 },
    })),
  );
  const stream = service.reader.stream({ session_id: 's', ...request });
  expect(await stream.ended).toMatchObject({ code: status.OK });
  expect(stream.seqs).toEqual(expected);
  expect(stream.messages.at(-1)?.event).toBe('end');
});

test('a pattern that takes too long over a line is RESOURCE_EXHAUSTED, behind what passed before, and the next call works', async () => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path);
  await service.writer.write([{ session_id: 's', content: 'quick' }]);
  const stream = service.reader.stream({
    session_id: 's',
    follow: true,
    filter: { pattern: `^quick$|${SLOW_PATTERN}` },
  });
  await expect.poll(() => stream.seqs, WAITING).toEqual([1]);
  await service.writer.write([{ session_id: 's', content: slowText(1 << 19) }]);
  expect(await stream.ended).toEqual({
    code: status.RESOURCE_EXHAUSTED,
    details: 'filter.pattern takes too long over the lines: use a simpler one',
  });
  expect(stream.seqs).toEqual([1]);
  const next = service.reader.stream({ session_id: 's', filter: { pattern: 'a[ab]{3}' } });
  expect(await next.ended).toEqual({ code: status.OK, details: 'OK' });
  expect(next.seqs).toEqual([2]);
});

test('follows: what is written later comes later, also behind a cursor beyond the end', async () => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path, { LOG_MAX_SIZE_BYTES: '1000' });
  await service.writer.write(frames(1, 3));
  const all = service.reader.stream({ session_id: 's', follow: true });
  const beyond = service.reader.stream({ session_id: 's', follow: true, after_seq: 5 });
  await expect.poll(() => all.seqs, WAITING).toEqual([1, 2, 3]);
  await service.writer.write(frames(4, 40));
  await expect.poll(() => all.seqs, WAITING).toEqual(seqs(1, 40));
  await expect.poll(() => beyond.seqs, WAITING).toEqual(seqs(6, 40));
});

test('ends with the completion, for who follows and for who comes later, until lines open the session again', async () => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path);
  await service.writer.write(frames(1, 3));
  const following = service.reader.stream({ session_id: 's', follow: true, after_seq: 1 });
  await following.accepted;
  await service.writer.write(frames(4, 5));
  const connection = await LogConnection.open(service.address);
  const patience = { patienceMs: 30_000, signal: new AbortController().signal };
  await completeSession(connection, { sessionId: 's', status: 'failed', exitCode: 0 }, patience);
  connection.close();
  const end = { event: 'end', end: { status: 'failed', exit_code: 0, last_seq: 5 } };
  expect(await following.ended).toMatchObject({ code: status.OK });
  expect(following.seqs).toEqual([2, 3, 4, 5]);
  expect(following.messages.at(-1)).toMatchObject(end);
  for (const request of [{}, { follow: true }, { follow: true, after_seq: 5 }, { tail: 1 }]) {
    const later = service.reader.stream({ session_id: 's', ...request });
    expect(await later.ended).toMatchObject({ code: status.OK });
    expect(later.messages.at(-1)).toMatchObject(end);
  }
  await service.writer.write(frames(6, 6));
  const again = service.reader.stream({ session_id: 's' });
  await again.ended;
  expect(again.messages.at(-1)).toEqual({ event: 'end', end: { status: 'active', last_seq: 6 } });
});

test.each<[string, StreamRequest | Buffer, string]>([
  ['no session_id', {}, 'session_id is empty'],
  ['a session_id of 1,025 bytes', { session_id: 's'.repeat(1025) }, 'session_id is longer than 1,024 bytes'],
  ['a negative after_seq', { session_id: 's', after_seq: -1 }, 'after_seq is outside 0 to 2^53-1'],
  ['an after_seq above 2^53-1', { session_id: 's', after_seq: 2 ** 53 }, 'after_seq is outside 0 to 2^53-1'],
  [
    'tail beside after_seq',
    { session_id: 's', after_seq: 1, tail: 1 },
    'tail and after_seq are both set: only one of them can say where to begin',
  ],
  ['a pattern that does not compile', { session_id: 's', filter: { pattern: '(' } }, 'filter.pattern is no regular'],
  [
    'a start_time in the year 10000',
    { session_id: 's', filter: { start_time: { seconds: 253_402_300_800 } } },
    'filter.start_time is no time between the years 1 and 9999',
  ],
  [
    'an end_time with too many nanos',
    { session_id: 's', filter: { end_time: { seconds: 1, nanos: 1e9 } } },
    'filter.end_time is no time between the years 1 and 9999',
  ],
  ['an empty keyword', { session_id: 's', filter: { keywords: [''] } }, 'filter.keywords has an empty one'],
  [
    'more users than a filter has',
    { session_id: 's', filter: { user_ids: Array.from({ length: 101 }, String) } },
    'filter.user_ids has more than 100 values',
  ],
  ['a request of 70,000 bytes', { session_id: 's'.repeat(70_000) }, 'request is larger than 65536 bytes'],
  ['bytes that are no request', Buffer.from([0xff]), 'request is not a valid StreamSessionLogsRequest message'],
])('%s is INVALID_ARGUMENT and names the field', async (_name, request, details) => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path);
  await service.writer.write(frames(1, 1));
  const answer = await service.reader.stream(request).ended;
  expect(answer.code).toBe(status.INVALID_ARGUMENT);
  expect(answer.details.slice(0, details.length)).toBe(details);
  expect(await service.openReaders()).toBe(0);
});

test('an unknown session is NOT_FOUND, also for who would follow it', async () => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path);
  for (const follow of [false, true]) {
    expect(await service.reader.stream({ session_id: 'nobody', follow }).ended).toEqual({
      code: status.NOT_FOUND,
      details: 'nothing is stored under this session_id',
    });
  }
});

test('a damaged segment is DATA_LOSS, behind the lines before it', async () => {
  await using directory = await temporaryDirectory();
  const finished = join(directory.path, 'sessions', 's');
  await using service = await start(directory.path, { LOG_MAX_SIZE_BYTES: '1000' });
  await service.writer.write(frames(1, 40));
  await expect.poll(() => readdir(join(directory.path, 'sealing', 's')).catch(() => []), WAITING).toEqual([]);
  const segments = (await readdir(finished)).filter((name) => name.endsWith('.gz')).toSorted();
  const damaged = join(finished, segments[1] ?? '');
  await writeFile(damaged, (await readFile(damaged)).fill(7, 30, 60));
  const stream = service.reader.stream({ session_id: 's' });
  expect(await stream.ended).toEqual({
    code: status.DATA_LOSS,
    details: 'a finished segment of the session is damaged: `logweir verify` says which, and how',
  });
  expect(stream.seqs[0]).toBe(1);
  expect(stream.seqs).toEqual(seqs(1, stream.seqs.length));
});

test('lines that are damaged in a raw file are DATA_LOSS', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'sessions', 's');
  await mkdir(path, { recursive: true });
  await writeFile(
    join(path, '0000000000000001-0000000000000002_20261121T100000Z.log'),
    '{"seq":1,"time":"2026-11-21T10:00:00Z","session_id":"s"}\n{"seq":2,"time":"2026-11-21T10:00:00Z","session!id":"s"}\n',
  );
  await using service = await start(directory.path);
  expect((await service.reader.stream({ session_id: 's' }).ended).code).toBe(status.DATA_LOSS);
});

test('who reads the same chunk is given the same bytes: it is encoded once', () => {
  const lines = new LogLines('s', 1, 1, Buffer.from('{"seq":1,"time":"2026-11-21T10:00:00Z","session_id":"s"}\n'));
  expect(lines.as(frameMessages)).toBe(lines.as(frameMessages));
  expect(lines.as(frameMessages).readUInt32BE(1)).toBe(lines.as(frameMessages).length - 5);
});

test('viewers that go away leave nothing behind', async () => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path);
  await service.writer.write(frames(1, 2000, { content: 'x'.repeat(2000) }));
  await using proxy = await TcpProxy.start(Number(service.address.split(':')[1]));
  // Half of them end their calls, half are cut off; of each, half in the middle of what is stored, and half while they wait for more.
  const streams = seqs(1, 20).map((number) => {
    const reader = new ReaderClient(number % 2 === 0 ? service.address : proxy.address);
    return { reader, stream: reader.stream({ session_id: 's', follow: true }), stalls: number % 4 < 2 };
  });
  for (const { stream, stalls } of streams) {
    if (stalls) {
      stream.pause();
    } else {
      await expect.poll(() => stream.seqs.length, WAITING).toBe(2000);
    }
  }
  expect(await service.openReaders()).toBe(20);
  proxy.close();
  await expect.poll(() => service.openReaders(), WAITING).toBe(10);
  for (const { stream } of streams) {
    stream.cancel();
  }
  await expect.poll(() => service.openReaders(), WAITING).toBe(0);
  for (const { reader } of streams) {
    reader[Symbol.dispose]();
  }
});

test('one viewer more than GRPC_MAX_READERS is told so, and has a place when one goes', async () => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path, { GRPC_MAX_READERS: '1' });
  await service.writer.write(frames(1, 1));
  const first = service.reader.stream({ session_id: 's', follow: true });
  await first.accepted;
  expect(await service.reader.stream({ session_id: 's' }).ended).toEqual({
    code: status.RESOURCE_EXHAUSTED,
    details: 'as many calls read sessions as this server allows',
  });
  first.cancel();
  await expect.poll(() => service.openReaders(), WAITING).toBe(0);
  expect((await service.reader.stream({ session_id: 's' }).ended).code).toBe(status.OK);
});

test('a deadline ends a call that follows', async () => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path);
  await service.writer.write(frames(1, 1));
  const stream = service.reader.stream({ session_id: 's', follow: true }, 500);
  expect((await stream.ended).code).toBe(status.DEADLINE_EXCEEDED);
  expect(stream.seqs).toEqual([1]);
  await expect.poll(() => service.openReaders(), WAITING).toBe(0);
});

test('a server that goes down tells its viewers UNAVAILABLE, and waits for none of them', async () => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path);
  await service.writer.write(frames(1, 2000, { content: 'x'.repeat(2000) }));
  const waiting = service.reader.stream({ session_id: 's', follow: true, after_seq: 2000 });
  const stalled = service.reader.stream({ session_id: 's' });
  await Promise.all([waiting.accepted, stalled.accepted]);
  stalled.pause();
  await service.stop();
  expect(await waiting.ended).toEqual({ code: status.UNAVAILABLE, details: 'the server is shutting down' });
});

test('a connection that is closed for its age ends its viewers with UNAVAILABLE', async () => {
  await using directory = await temporaryDirectory();
  await using service = await start(directory.path, {
    GRPC_CONNECTION_AGE_SECONDS: '1',
    GRPC_CONNECTION_AGE_GRACE_SECONDS: '4',
  });
  await service.writer.write(frames(1, 1));
  expect(await service.reader.stream({ session_id: 's', follow: true }).ended).toEqual({
    code: status.UNAVAILABLE,
    details: 'the connection is closed for its age: open another one to go on',
  });
});

test('a viewer that takes nothing for a minute is cut off and goes on behind its cursor, one that is quiet is not', async () => {
  await using directory = await temporaryDirectory();
  let skippedMs = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skippedMs };
  await using service = await start(directory.path, {}, clock);
  await service.writer.write(frames(1, 2000, { content: 'x'.repeat(2000) }));
  const quiet = service.reader.stream({ session_id: 's', follow: true, after_seq: 2000 });
  using other = new ReaderClient(service.address);
  const stalled = other.stream({ session_id: 's' });
  stalled.pause();
  const reader = new LogReader(service.address);
  const tail = new LogTail(reader, { sessionId: 's' }).events();
  const first = (await tail.next()).value;
  await Promise.all([quiet.accepted, stalled.accepted]);
  await expect.poll(() => service.openReaders(), WAITING).toBe(3);

  // Until all have waited for it.
  await expect
    .poll(
      async () => {
        skippedMs += 60_000;
        return service.openReaders();
      },
      { timeout: 30_000, interval: 1_500 },
    )
    .toBe(1);
  expect((await metric(service.http, 'logweir_streams_ended_total')).get('reason="stalled"')).toBe(2);

  stalled.resume();
  expect((await stalled.ended).code).toBe(status.UNAVAILABLE);
  expect(stalled.seqs).toEqual(seqs(1, stalled.seqs.length));
  let text = first?.kind === 'lines' ? first.bytes.toString() : '';
  for await (const event of tail) {
    text += event.kind === 'lines' ? event.bytes.toString() : '';
  }
  expect([...text.matchAll(/^\{"seq":(\d+),/gm)].map(([, seq]) => Number(seq))).toEqual(seqs(1, 2000));
  await service.writer.write(frames(2001, 2001));
  await expect.poll(() => quiet.seqs, WAITING).toEqual([2001]);
  reader.close();
});

test('viewers that take nothing cost a bounded amount of memory, and then get every line', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '4000000' });
  using writer = new LogClient(server.grpc);
  const content = 'x'.repeat(1000);
  await writer.write(frames(1, 20_000, { content }));
  using warm = new ReaderClient(server.grpc);
  await warm.stream({ session_id: 's' }).ended;
  const grown = watchRss(server.pid);
  const readers = seqs(1, 50).map(() => new ReaderClient(server.grpc));
  const streams = readers.map((reader) => {
    const stream = reader.stream({ session_id: 's', follow: true });
    stream.pause();
    return stream;
  });
  await Promise.all(streams.map((stream) => stream.accepted));
  // 24 MB each, if all of it were queued.
  await writer.write(frames(20_001, 24_000, { content }));
  expect(grown()).toBeLessThan(96 << 20);
  expect((await metric(server.http, 'logweir_viewers_open')).get('kind="grpc"')).toBe(50);
  const [first, ...others] = streams;
  first?.resume();
  await expect.poll(() => first?.seqs.length, WAITING).toBe(24_000);
  expect(first?.seqs).toEqual(seqs(1, 24_000));
  for (const stream of others) {
    stream.cancel();
  }
  await expect
    .poll(async () => (await metric(server.http, 'logweir_viewers_open')).get('kind="grpc"'), WAITING)
    .toBe(1);
  for (const reader of readers) {
    reader[Symbol.dispose]();
  }
});
