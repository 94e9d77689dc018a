import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';
import type { Files } from '../../src/segment/files.js';
import { segmentName } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { startService } from '../../src/service.js';
import { createLogger } from '../../src/telemetry/logger.js';
import type { FrameFields } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { ReaderClient } from '../support/reader-client.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

/** A service in this process on a directory of the test's, with a client of both its services. */
async function start(logDir: string, options: { env?: Record<string, string>; files?: Files } = {}) {
  const config = readConfig({ LOG_DIR: logDir, GRPC_PORT: '0', HTTP_PORT: '0', ...options.env });
  const parts = { logger: createLogger('silent'), version: 'test', files: options.files ?? nodeFiles };
  const service = await startService(config, parts);
  const writer = new LogClient(`127.0.0.1:${service.grpcPort}`);
  const reader = new ReaderClient(`127.0.0.1:${service.grpcPort}`);
  return {
    writer,
    reader,
    httpPort: service.httpPort,
    async [Symbol.asyncDispose]() {
      writer[Symbol.dispose]();
      reader[Symbol.dispose]();
      await service.stop();
    },
  };
}

/** The real disk; what `before` rejects with fails, what it waits for is late. */
function hooked(before: (operation: 'write' | 'datasync' | 'open', path: string) => void | Promise<void>): Files {
  return {
    ...nodeFiles,
    async open(path, mode) {
      await before('open', path);
      const file = await nodeFiles.open(path, mode);
      return {
        read: (...args) => file.read(...args),
        size: () => file.size(),
        close: () => file.close(),
        truncate: (length) => file.truncate(length),
        async write(...args) {
          await before('write', path);
          return file.write(...args);
        },
        async datasync() {
          await before('datasync', path);
          await file.datasync();
        },
      };
    },
  };
}

const marked = (session_id: string, producer_seq: number, fields: FrameFields = {}): FrameFields => ({
  session_id,
  content: `${producer_seq}`,
  producer_id: 'p',
  producer_seq,
  ...fields,
});

const systemError = (code: string): Error => Object.assign(new Error(code), { code });

describe('GetSession', () => {
  test('tells of a session that is being written what stands in its file', async () => {
    await using directory = await temporaryDirectory();
    await using service = await start(directory.path);
    await service.writer.write([
      marked('a/b', 3, { seq: 5, time: { seconds: 1_795_255_200, nanos: 1 } }),
      marked('a/b', 4, { seq: 9, time: { seconds: -2, nanos: 500_000_000 } }),
    ]);
    expect(await service.reader.session('a/b', 'p')).toEqual({
      session_id: 'a/b',
      status: 'active',
      first_seq: 5,
      last_seq: 9,
      last_time: { seconds: -2, nanos: 500_000_000 },
      segments: 1,
      bytes: (await stat(join(directory.path, 'active', 'a%2Fb.logtmp'))).size,
      producer_seq: 4,
    });
    expect((await service.reader.session('a/b', 'other')).producer_seq).toBe(0);
    expect((await service.reader.session('a/b')).producer_seq).toBe(0);
  });

  test('tells of a session that has nothing in memory what its segments say', async () => {
    await using directory = await temporaryDirectory();
    await using service = await start(directory.path, { env: { LOG_IDLE_SECONDS: '1', LOG_MAX_SIZE_BYTES: '300' } });
    await service.writer.write([1, 2, 3, 4, 5].map((number) => marked('s', number)));
    await expect.poll(async () => (await service.reader.session('s')).status, { timeout: 30_000 }).toBe('idle');
    await expect.poll(() => metric(service.httpPort, 'logweir_sessions_open'), { timeout: 30_000 }).toBe(0);
    // Segments that are still being finished would move while they are read.
    const sealing = join(directory.path, 'sealing', 's');
    await expect.poll(() => readdir(sealing).catch(() => []), { timeout: 30_000 }).toEqual([]);
    const finished = join(directory.path, 'sessions', 's');
    const segments = (await readdir(finished)).filter((name) => name.endsWith('.log.gz'));
    const sizes = await Promise.all(segments.map(async (name) => (await stat(join(finished, name))).size));
    const last = (await storedLines(directory.path, 's')).at(-1);
    const info = await service.reader.session('s', 'p');
    expect(segments.length).toBeGreaterThan(1);
    expect(info).toMatchObject({ first_seq: 1, last_seq: 5, producer_seq: 5, segments: segments.length });
    expect(info.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
    const { seconds = 0, nanos = 0 } = info.last_time ?? {};
    expect(seconds * 1000 + nanos / 1e6).toBe(Date.parse(last?.time ?? ''));
  });

  test('knows the marks of a session whose segment is sealed and can not be finished', async () => {
    await using directory = await temporaryDirectory();
    const files = hooked((operation, path) => {
      if (operation === 'open' && path.includes('/sessions/') && path.includes('.json')) {
        throw systemError('EIO');
      }
    });
    await using service = await start(directory.path, { env: { LOG_IDLE_SECONDS: '1' }, files });
    await service.writer.write([marked('s', 7)]);
    await expect.poll(() => metric(service.httpPort, 'logweir_sessions_open'), { timeout: 30_000 }).toBe(0);
    expect(await service.reader.session('s', 'p')).toMatchObject({ last_seq: 1, producer_seq: 7 });
  });

  test('knows after a restart what stands in the active file and in the manifests before it', async () => {
    await using directory = await temporaryDirectory();
    const env = { LOG_MAX_SIZE_BYTES: '300' };
    {
      await using service = await start(directory.path, { env });
      await service.writer.write([marked('s', 8, { producer_id: 'first' })]);
      await service.writer.write(Array.from({ length: 9 }, (_, index) => marked('s', index + 1)));
    }
    await using service = await start(directory.path, { env });
    expect(await service.reader.session('s', 'p')).toMatchObject({ status: 'active', last_seq: 10, producer_seq: 9 });
    expect(await service.reader.session('s', 'first')).toMatchObject({ last_seq: 10, producer_seq: 8 });
  });

  test('numbers that lie in quarantine are used up, though nothing can be read', async () => {
    await using directory = await temporaryDirectory();
    const sealing = join(directory.path, 'sealing', 's');
    await mkdir(sealing, { recursive: true });
    await writeFile(join(sealing, `${segmentName({ firstSeq: 3, lastSeq: 9, sealedAtMs: 0 })}.log`), 'damaged');
    await using service = await start(directory.path);
    const nothing = { first_seq: 0, last_time: null, segments: 0, bytes: 0, producer_seq: 0 };
    expect(await service.reader.session('s', 'p')).toEqual({
      session_id: 's',
      status: 'idle',
      last_seq: 9,
      ...nothing,
    });
  });

  test('an unknown session is NOT_FOUND, and asking for it makes none', async () => {
    await using directory = await temporaryDirectory();
    await using service = await start(directory.path);
    expect(await service.reader.getSession({ session_id: 'nobody', producer_id: 'p' })).toEqual({
      code: status.NOT_FOUND,
      details: 'nothing is stored under this session_id',
    });
    expect(await metric(service.httpPort, 'logweir_sessions_open')).toBe(0);
    expect(
      await metric(service.httpPort, 'grpc_server_handled_total{grpc_method="GetSession",grpc_code="NOT_FOUND"}'),
    ).toBe(1);
  });

  test.each<[string, { session_id?: string; producer_id?: string } | Buffer, string]>([
    ['no session_id', {}, 'session_id is empty'],
    ['a session_id of 1,025 bytes', { session_id: `${'é'.repeat(512)}x` }, 'session_id is longer than 1,024 bytes'],
    [
      'a producer_id of 257 bytes',
      { session_id: 's', producer_id: 'p'.repeat(257) },
      'producer_id is longer than 256 bytes',
    ],
    ['a request of 5,000 bytes', { session_id: 's'.repeat(5_000) }, 'request is larger than 4096 bytes'],
    ['bytes that are no request', Buffer.from([0xff]), 'request is not a valid GetSessionRequest message'],
  ])('%s is INVALID_ARGUMENT', async (_name, request, details) => {
    await using directory = await temporaryDirectory();
    await using service = await start(directory.path);
    expect(await service.reader.getSession(request)).toEqual({ code: status.INVALID_ARGUMENT, details });
  });

  test('does not tell the number of a frame that is not synced', async () => {
    await using directory = await temporaryDirectory();
    let release: () => void = () => undefined;
    let stuck = Promise.resolve();
    const files = hooked((operation) => (operation === 'datasync' ? stuck : undefined));
    await using service = await start(directory.path, { files });
    await service.writer.write([marked('s', 1)]);
    stuck = new Promise((resolve) => {
      release = resolve;
    });
    const writing = service.writer.write([marked('s', 2)]);
    // It is in the file, and a reader of the file sees it.
    await expect.poll(() => storedLines(directory.path, 's'), { timeout: 30_000 }).toHaveLength(2);
    const asked = { session_id: 's', producer_id: 'p' };
    expect(await service.reader.getSession(asked, 1_000)).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    const answer = service.reader.getSession(asked);
    release();
    expect(await answer).toMatchObject({ last_seq: 2, producer_seq: 2 });
    expect(await writing).toMatchObject({ ok: true });
    expect(
      await metric(service.httpPort, 'grpc_server_handled_total{grpc_method="GetSession",grpc_code="CANCELLED"}'),
    ).toBe(1);
    expect(await metric(service.httpPort, 'grpc_server_handled_total{grpc_method="GetSession",grpc_code="OK"}')).toBe(
      1,
    );
  });

  test('with LOG_FSYNC=never tells what was handed to the operating system', async () => {
    await using directory = await temporaryDirectory();
    let release: () => void = () => undefined;
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    const files = hooked((operation, path) =>
      operation === 'datasync' && path.includes('/active/') ? stuck : undefined,
    );
    await using service = await start(directory.path, { files, env: { LOG_FSYNC: 'never' } });
    await service.writer.write([marked('s', 1)]);
    expect(await service.reader.session('s', 'p')).toMatchObject({ last_seq: 1, producer_seq: 1 });
    release();
  });

  test.each([
    ['EIO', status.UNAVAILABLE, 'the disk failed'],
    ['ENOSPC', status.RESOURCE_EXHAUSTED, 'the disk is full'],
  ])('while the disk fails with %s, what was taken is not told, and then it is', async (code, expected, reason) => {
    await using directory = await temporaryDirectory();
    let failing = false;
    const files = hooked((operation) => {
      if (failing && operation !== 'open') {
        throw systemError(code);
      }
    });
    await using service = await start(directory.path, { files });
    await service.writer.write([marked('s', 1)]);
    failing = true;
    expect(await service.reader.session('s', 'p')).toMatchObject({ last_seq: 1, producer_seq: 1 });
    expect(await service.writer.write([marked('s', 2)])).toMatchObject({ ok: false, code: expected });
    expect(await service.reader.getSession({ session_id: 's', producer_id: 'p' })).toEqual({
      code: expected,
      details: `${reason}: how far the session has come is not known at the moment`,
    });
    failing = false;
    await expect
      .poll(() => service.reader.getSession({ session_id: 's', producer_id: 'p' }), { timeout: 30_000 })
      .toMatchObject({ last_seq: 2, producer_seq: 2 });
  });
});

/** One sample of /metrics; 0 when it is not there. */
async function metric(httpPort: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}
