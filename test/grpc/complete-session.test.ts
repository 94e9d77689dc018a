import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { retryAfterMs } from '../../src/client/retry-info.js';
import { readConfig } from '../../src/config.js';
import type { Files } from '../../src/segment/files.js';
import { segmentName } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { type RunningService, startService } from '../../src/service.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { CompletingClient } from '../support/completing-client.js';
import { LogClient } from '../support/log-client.js';
import { ReaderClient } from '../support/reader-client.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

interface Rig extends AsyncDisposable {
  readonly service: RunningService;
  readonly writer: LogClient;
  readonly reader: ReaderClient;
  readonly completer: CompletingClient;
  stop(): Promise<void>;
}

/** A service in this process on a directory of the test's, with a client of each of its services. */
async function start(logDir: string, options: { env?: Record<string, string>; files?: Files } = {}): Promise<Rig> {
  const config = readConfig({ LOG_DIR: logDir, GRPC_PORT: '0', HTTP_PORT: '0', ...options.env });
  const parts = { logger: createLogger('silent'), version: 'test', files: options.files ?? nodeFiles };
  const service = await startService(config, parts);
  const address = `127.0.0.1:${service.grpcPort}`;
  const clients = { writer: new LogClient(address), reader: new ReaderClient(address) };
  const completer = new CompletingClient(address);
  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopping ??= service.stop();
    return stopping;
  };
  return {
    service,
    ...clients,
    completer,
    stop,
    async [Symbol.asyncDispose]() {
      clients.writer[Symbol.dispose]();
      clients.reader[Symbol.dispose]();
      completer[Symbol.dispose]();
      await stop();
    },
  };
}

type Operation = 'write' | 'datasync' | 'rename' | 'create' | 'sync directory' | 'unlink';

/** The real disk; what `before` rejects with fails, what it waits for is late. */
function hooked(before: (operation: Operation, path: string) => void | Promise<void>): Files {
  return {
    ...nodeFiles,
    async open(path, mode) {
      if (mode === 'create') {
        await before('create', path);
      }
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
    async rename(from, to) {
      await before('rename', to);
      await nodeFiles.rename(from, to);
    },
    async syncDirectory(path) {
      await before('sync directory', path);
      await nodeFiles.syncDirectory(path);
    },
    async remove(path) {
      await before('unlink', path);
      await nodeFiles.remove(path);
    },
  };
}

const frames = (count: number, session_id = 's') =>
  Array.from({ length: count }, (_, index) => ({ session_id, content: `line ${index}` }));

const systemError = (code: string): Error => Object.assign(new Error(code), { code, syscall: 'open', errno: -5 });

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((onResolve) => {
    resolve = onResolve;
  });
  return { promise, resolve };
}

async function filesIn(...path: string[]): Promise<string[]> {
  return (await readdir(join(...path)).catch(() => [])).toSorted();
}

async function metric(service: RunningService, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${service.httpPort}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

const recordIn = async (logDir: string, session = 's') =>
  JSON.parse(await readFile(join(logDir, 'sessions', session, 'completion.json'), 'utf8')) as Record<string, unknown>;

const WHOLE_RECORD = { format_version: 1, completed_at: expect.stringMatching(/^20\d\d-\d\d-\d\dT.*Z$/) };

describe('CompleteSession', () => {
  test('seals the session for this reason, and says how it ended, here and after a restart', async () => {
    await using directory = await temporaryDirectory();
    {
      await using rig = await start(directory.path);
      await rig.writer.write(frames(3));
      expect((await rig.reader.session('s')).status).toBe('active');
      expect(await rig.completer.complete({ session_id: 's', status: 'failed', exit_code: 3 })).toBe(3);
      expect(await filesIn(directory.path, 'active')).toEqual([]);
      expect(await rig.reader.session('s')).toMatchObject({ status: 'failed', exit_code: 3, last_seq: 3, segments: 1 });
      await expect.poll(() => filesIn(directory.path, 'sealing'), { timeout: 30_000 }).toEqual([]);
      const stored = await filesIn(directory.path, 'sessions', 's');
      expect(stored).toEqual([
        expect.stringMatching(/^0{15}1-0{15}3_.*\.json$/),
        expect.stringMatching(/^0{15}1-0{15}3_.*\.log\.gz$/),
        'completion.json',
      ]);
      const manifest = await readFile(join(directory.path, 'sessions', 's', stored[0] ?? ''), 'utf8');
      expect(JSON.parse(manifest)).toMatchObject({ reason: 'complete', frames: 3 });
      expect(await metric(rig.service, 'logweir_completions_total')).toBe(1);
    }
    expect(await recordIn(directory.path)).toEqual({
      session_id: 's',
      status: 'failed',
      exit_code: 3,
      last_seq: 3,
      ...WHOLE_RECORD,
    });
    await using rig = await start(directory.path);
    expect(await rig.reader.session('s')).toMatchObject({ status: 'failed', exit_code: 3, last_seq: 3 });
    expect(await rig.completer.complete({ session_id: 's', status: 'failed', exit_code: 3 })).toBe(3);
    expect(await rig.completer.complete({ session_id: 's', status: 'failed' })).toMatchObject({
      code: status.ALREADY_EXISTS,
    });
  });

  test('without a status it is "completed", and without an exit code there is none; 0 is one', async () => {
    await using directory = await temporaryDirectory();
    await using rig = await start(directory.path);
    await rig.writer.write([...frames(1, 'a'), ...frames(1, 'b')]);
    await rig.completer.complete({ session_id: 'a' });
    await rig.completer.complete({ session_id: 'b', exit_code: 0 });
    const [a, b] = [await rig.reader.session('a'), await rig.reader.session('b')];
    expect([a.status, b.status]).toEqual(['completed', 'completed']);
    expect(['exit_code' in a, b.exit_code]).toEqual([false, 0]);
  });

  test('told the same again changes nothing; told otherwise is refused, naming how it was completed', async () => {
    await using directory = await temporaryDirectory();
    await using rig = await start(directory.path);
    await rig.writer.write(frames(2));
    const first = { session_id: 's', status: 'gone\u001b[2J ü', exit_code: -1 };
    expect(await rig.completer.complete(first)).toBe(2);
    await expect.poll(() => filesIn(directory.path, 'sealing'), { timeout: 30_000 }).toEqual([]);
    const record = await recordIn(directory.path);
    expect(await rig.completer.complete(first)).toBe(2);
    const details = 'the session was completed at seq 2 as "gone\\u001b[2J \\u{fc}" with exit code -1';
    const refused = { code: status.ALREADY_EXISTS, details };
    expect(await rig.completer.complete({ ...first, exit_code: 0 })).toEqual(refused);
    expect(await rig.completer.complete({ ...first, status: 'other' })).toEqual(refused);
    expect(await rig.completer.complete({ session_id: 's' })).toEqual(refused);
    expect(await recordIn(directory.path)).toEqual(record);
    expect(await metric(rig.service, 'logweir_completions_total')).toBe(1);
    const handled = 'grpc_server_handled_total{grpc_method="CompleteSession",grpc_code=';
    expect(await metric(rig.service, `${handled}"OK"}`)).toBe(2);
    expect(await metric(rig.service, `${handled}"ALREADY_EXISTS"}`)).toBe(3);
  });

  test('frames that come afterwards go into a new segment and open the session; it can be completed once more', async () => {
    await using directory = await temporaryDirectory();
    await using rig = await start(directory.path);
    await rig.writer.write(frames(2));
    await rig.completer.complete({ session_id: 's', status: 'failed', exit_code: 1 });
    await rig.writer.write(frames(1));
    const open = await rig.reader.session('s');
    expect([open.status, open.last_seq, 'exit_code' in open]).toEqual(['active', 3, false]);
    expect(await rig.completer.complete({ session_id: 's', exit_code: 0 })).toBe(3);
    expect(await rig.reader.session('s')).toMatchObject({
      status: 'completed',
      exit_code: 0,
      last_seq: 3,
      segments: 2,
    });
    await expect.poll(() => filesIn(directory.path, 'sealing'), { timeout: 30_000 }).toEqual([]);
    expect(await recordIn(directory.path)).toMatchObject({ status: 'completed', last_seq: 3 });
    expect((await storedLines(directory.path, 's')).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  test('covers every frame that was taken before the call, and none that came behind it', async () => {
    await using directory = await temporaryDirectory();
    const written = withResolvers();
    let isStuck = false;
    const files = hooked((operation) => (isStuck && operation === 'datasync' ? written.promise : undefined));
    await using rig = await start(directory.path, { files });
    await rig.writer.write(frames(1));
    isStuck = true;
    const before = rig.writer.write(frames(4));
    await expect.poll(() => storedLines(directory.path, 's'), { timeout: 30_000 }).toHaveLength(5);
    const completing = rig.completer.complete({ session_id: 's' });
    isStuck = false;
    written.resolve();
    expect(await completing).toBe(5);
    expect(await before).toMatchObject({ ok: true });
    await rig.writer.write(frames(1));
    expect(await rig.reader.session('s')).toMatchObject({ status: 'active', last_seq: 6 });
  });

  test('of calls at the same time one decides, and the others hear of it', async () => {
    await using directory = await temporaryDirectory();
    await using rig = await start(directory.path);
    await rig.writer.write(frames(2));
    const exits = [1, 1, 2, 2, 1, 2];
    const answers = await Promise.all(exits.map((exit_code) => rig.completer.complete({ session_id: 's', exit_code })));
    const { exit_code: winner } = await rig.reader.session('s');
    expect([1, 2]).toContain(winner);
    expect(answers.map((answer) => (typeof answer === 'number' ? answer : answer.code))).toEqual(
      exits.map((exit) => (exit === winner ? 2 : status.ALREADY_EXISTS)),
    );
    expect(await metric(rig.service, 'logweir_completions_total')).toBe(1);
  });

  test('beside frames that keep coming, each completion is at a line after which a segment ends', async () => {
    await using directory = await temporaryDirectory();
    const seqs: number[] = [];
    {
      await using rig = await start(directory.path);
      await rig.writer.write(frames(1));
      const stream = rig.writer.open();
      for (let round = 0; round < 20; round++) {
        for (const frame of frames(20)) {
          await stream.send(frame);
        }
        const answer = await rig.completer.complete({ session_id: 's', exit_code: round });
        seqs.push(typeof answer === 'number' ? answer : -1);
      }
      expect(await stream.finish()).toMatchObject({ ok: true });
      expect(await rig.completer.complete({ session_id: 's', status: 'last' })).toBe(401);
      await expect.poll(() => filesIn(directory.path, 'sealing'), { timeout: 30_000 }).toEqual([]);
    }
    const ends = (await filesIn(directory.path, 'sessions', 's')).map((name) => Number(/-(\d{16})_/.exec(name)?.[1]));
    expect(seqs.filter((seq) => !ends.includes(seq))).toEqual([]);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(await storedLines(directory.path, 's')).toHaveLength(401);
    expect(await recordIn(directory.path)).toMatchObject({ status: 'last', last_seq: 401 });
  });

  test('a session that has nothing in memory, and one whose lines all lie in quarantine', async () => {
    await using directory = await temporaryDirectory();
    const sealing = join(directory.path, 'sealing', 'lost');
    await mkdir(sealing, { recursive: true });
    await writeFile(join(sealing, `${segmentName({ firstSeq: 3, lastSeq: 9, sealedAtMs: 0 })}.log`), 'damaged');
    await using rig = await start(directory.path, { env: { LOG_IDLE_SECONDS: '1' } });
    await rig.writer.write(frames(2));
    await expect.poll(() => metric(rig.service, 'logweir_sessions_open'), { timeout: 30_000 }).toBe(0);
    expect(await rig.completer.complete({ session_id: 's', status: 'a' })).toBe(2);
    expect(await rig.completer.complete({ session_id: 'lost', status: 'b', exit_code: 1 })).toBe(9);
    expect(await rig.reader.session('s')).toMatchObject({ status: 'a', last_seq: 2 });
    expect(await rig.reader.session('lost')).toMatchObject({ status: 'b', exit_code: 1, last_seq: 9, segments: 0 });
    await expect.poll(() => filesIn(directory.path, 'sealing'), { timeout: 30_000 }).toEqual([]);
  });

  test.each([
    [{}, 'session_id is empty'],
    [{ session_id: 'x'.repeat(1025) }, 'session_id is longer than 1,024 bytes'],
    [{ session_id: 's', status: 'ü'.repeat(129) }, 'status is longer than 256 bytes'],
    [Buffer.from([0x0a, 0xff]), 'request is not a valid CompleteSessionRequest message'],
    [Buffer.alloc(5000, 'x'), 'request is larger than 4096 bytes'],
  ])('refuses a request that can never be answered, by its field: %#', async (request, details) => {
    await using directory = await temporaryDirectory();
    await using rig = await start(directory.path);
    await rig.writer.write(frames(1));
    expect(await rig.completer.complete(request)).toEqual({ code: status.INVALID_ARGUMENT, details });
    expect((await rig.reader.session('s')).status).toBe('active');
  });

  test('takes ids and status of any bytes, at their longest, and leaves nothing outside their directories', async () => {
    await using directory = await temporaryDirectory();
    const ids = [
      '../../x',
      '.',
      '..',
      'a/b',
      'completion.json',
      '0000000000000001.completion.json',
      'ü'.repeat(512),
      '\u0000',
    ];
    {
      await using rig = await start(directory.path);
      const told = `\u0000\n"${'ü'.repeat(126)}`;
      for (const session_id of ids) {
        await rig.writer.write(frames(1, session_id));
        expect(await rig.completer.complete({ session_id, status: told })).toBe(1);
        expect((await rig.reader.session(session_id)).status).toBe(told);
      }
      await expect.poll(() => filesIn(directory.path, 'sealing'), { timeout: 30_000 }).toEqual([]);
    }
    expect(await filesIn(directory.path, 'sessions')).toHaveLength(ids.length);
    expect(await filesIn(directory.path)).toEqual(['active', 'outbox', 'quarantine', 'sealing', 'sessions']);
    await using rig = await start(directory.path);
    for (const session_id of ids) {
      expect((await rig.reader.session(session_id)).status).toContain('üü');
    }
  });

  test('nothing is stored under the id: NOT_FOUND, and no trace of it', async () => {
    await using directory = await temporaryDirectory();
    await using rig = await start(directory.path);
    expect(await rig.completer.complete({ session_id: 'nobody' })).toEqual({
      code: status.NOT_FOUND,
      details: 'nothing is stored under this session_id',
    });
    expect(await metric(rig.service, 'logweir_sessions_open')).toBe(0);
    expect([...(await filesIn(directory.path, 'sealing')), ...(await filesIn(directory.path, 'sessions'))]).toEqual([]);
  });

  test.each([
    ['EIO', 'create', status.UNAVAILABLE, 'the disk failed'],
    ['ENOSPC', 'write', status.RESOURCE_EXHAUSTED, 'the disk is full'],
    ['EIO', 'datasync', status.UNAVAILABLE, 'the disk failed'],
    ['EROFS', 'rename', status.UNAVAILABLE, 'the disk does not take writes'],
    ['EIO', 'sync directory', status.UNAVAILABLE, 'the disk failed'],
  ])(
    'when %s meets the record at its %s, it is not completed, and then it is, in another way',
    async (code, at, expected, reason) => {
      await using directory = await temporaryDirectory();
      let failing = true;
      let isNamed = false;
      const files = hooked((operation, path) => {
        const isRecord = path.includes('completion.json') || (isNamed && path.endsWith('/sealing/s'));
        if (failing && isRecord && operation === at) {
          throw systemError(code);
        }
        isNamed ||= isRecord && operation === 'rename';
      });
      await using rig = await start(directory.path, { files });
      await rig.writer.write(frames(2));
      const outcome = await rig.completer.complete({ session_id: 's' }, 60_000, true);
      expect(outcome).toMatchObject({
        code: expected,
        details: `${reason}: whether the session is completed is not known; it may be tried again`,
      });
      expect(typeof outcome === 'object' && outcome.trailers && retryAfterMs(outcome.trailers)).toBe(1000);
      expect((await rig.reader.session('s')).status).not.toBe('completed');
      failing = false;
      expect(await rig.completer.complete({ session_id: 's', status: 'stopped' })).toBe(2);
      expect((await rig.reader.session('s')).status).toBe('stopped');
      await expect.poll(() => filesIn(directory.path, 'sealing'), { timeout: 30_000 }).toEqual([]);
      expect(await recordIn(directory.path)).toMatchObject({ status: 'stopped', last_seq: 2 });
    },
  );

  test('does not wait for compression, and what it promised is found by the next start', async () => {
    await using directory = await temporaryDirectory();
    const stuck = withResolvers();
    {
      const files = hooked((operation, path) =>
        operation === 'sync directory' && path.endsWith('sessions') ? stuck.promise : undefined,
      );
      const rig = await start(directory.path, { files });
      await rig.writer.write(frames(2));
      expect(await rig.completer.complete({ session_id: 's', status: 'failed', exit_code: 4 })).toBe(2);
      await rig.writer.write(frames(1));
      expect(await rig.completer.complete({ session_id: 's', status: 'stopped' })).toBe(3);
      // Both wait behind their segments, and the last one counts.
      expect((await filesIn(directory.path, 'sealing', 's')).filter((name) => name.endsWith('.json'))).toEqual([
        '0000000000000002.completion.json',
        '0000000000000003.completion.json',
      ]);
      expect(await rig.reader.session('s')).toMatchObject({ status: 'stopped', last_seq: 3 });
      const stopping = rig[Symbol.asyncDispose]();
      stuck.resolve();
      await stopping;
    }
    await using rig = await start(directory.path);
    expect(await rig.reader.session('s')).toMatchObject({ status: 'stopped', last_seq: 3, segments: 2 });
    await expect.poll(() => filesIn(directory.path, 'sealing'), { timeout: 30_000 }).toEqual([]);
    expect(await recordIn(directory.path)).toMatchObject({ status: 'stopped', exit_code: null, last_seq: 3 });
  });

  test('a call that is under way when the server goes down is answered, when the disk lets it', async () => {
    await using directory = await temporaryDirectory();
    const stuck = withResolvers();
    let isAsked = false;
    const files = hooked(async (operation, path) => {
      if (operation === 'create' && path.includes('completion.json')) {
        isAsked = true;
        await stuck.promise;
      }
    });
    await using rig = await start(directory.path, { files });
    await rig.writer.write(frames(2));
    const completing = rig.completer.complete({ session_id: 's', exit_code: 5 });
    await expect.poll(() => isAsked, { timeout: 30_000 }).toBe(true);
    const stopping = rig.stop();
    stuck.resolve();
    expect(await completing).toBe(2);
    await stopping;
    await using after = await start(directory.path);
    expect(await after.reader.session('s')).toMatchObject({ status: 'completed', exit_code: 5 });
  });

  test('a client that went away while another call had its turn has nothing done for it', async () => {
    await using directory = await temporaryDirectory();
    const stuck = withResolvers();
    let isAsked = false;
    const files = hooked(async (operation, path) => {
      if (operation === 'create' && path.includes('completion.json')) {
        isAsked = true;
        await stuck.promise;
      }
    });
    await using rig = await start(directory.path, { files });
    await rig.writer.write(frames(1));
    const first = rig.completer.complete({ session_id: 's', status: 'first' });
    await expect.poll(() => isAsked, { timeout: 30_000 }).toBe(true);
    expect(await rig.completer.complete({ session_id: 's', status: 'second' }, 300)).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
    });
    const cancelled = 'grpc_server_handled_total{grpc_method="CompleteSession",grpc_code="CANCELLED"}';
    await expect.poll(() => metric(rig.service, cancelled), { timeout: 30_000 }).toBe(1);
    stuck.resolve();
    expect(await first).toBe(1);
    expect((await rig.reader.session('s')).status).toBe('first');
  });

  test.each(['torn', 'of a later version', 'of another session'])(
    'a record that is %s is put aside by the start, or stops it; it never counts',
    async (what) => {
      await using directory = await temporaryDirectory();
      const record = {
        session_id: 's',
        status: 'x',
        exit_code: null,
        last_seq: 1,
        completed_at: '2026-11-21T10:00:00.000Z',
      };
      const pending = join(directory.path, 'sealing', 's');
      await mkdir(pending, { recursive: true });
      const content = {
        torn: '{"session_id":"s","sta',
        'of a later version': JSON.stringify({ ...record, format_version: 2 }),
        'of another session': JSON.stringify({ ...record, session_id: 't', format_version: 1 }),
      }[what];
      await writeFile(join(pending, '0000000000000001.completion.json'), content ?? '');
      if (what === 'of a later version') {
        await expect(start(directory.path)).rejects.toThrow(
          "the completion record's format_version is 2, this logweir reads 1: run the version that wrote it",
        );
        return;
      }
      await using rig = await start(directory.path);
      expect(await filesIn(directory.path, 'quarantine')).toEqual(['s_0000000000000001.completion.json']);
      expect(await filesIn(directory.path, 'sealing')).toEqual([]);
      await rig.writer.write(frames(1));
      expect((await rig.reader.session('s')).status).toBe('active');
    },
  );

  test('a damaged record of a finished session counts for none, and goes to quarantine when another takes its place', async () => {
    await using directory = await temporaryDirectory();
    await using rig = await start(directory.path);
    await rig.writer.write(frames(1));
    await rig.completer.complete({ session_id: 's', status: 'first' });
    await expect.poll(() => filesIn(directory.path, 'sealing'), { timeout: 30_000 }).toEqual([]);
    await writeFile(join(directory.path, 'sessions', 's', 'completion.json'), 'damaged');
    expect((await rig.reader.session('s')).status).toBe('idle');
    expect(await rig.completer.complete({ session_id: 's', status: 'second' })).toBe(1);
    await expect.poll(() => filesIn(directory.path, 'sealing'), { timeout: 30_000 }).toEqual([]);
    expect(await recordIn(directory.path)).toMatchObject({ status: 'second' });
    expect(await filesIn(directory.path, 'quarantine')).toEqual(['s_completion.json']);
  });
});
