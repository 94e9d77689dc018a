import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { describe, expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

const BINARY = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));

function serveOnce(environment: Record<string, string>): { code: number | null; stderr: string } {
  const { status: code, stderr } = spawnSync(process.execPath, [BINARY, 'serve'], {
    env: { PATH: process.env['PATH'], GRPC_PORT: '0', HTTP_PORT: '0', NODE_ENV: 'production', ...environment },
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { code, stderr };
}

async function metric(http: string, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const line = text
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name} `) || candidate.startsWith(`${name}{`));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}

describe('SIGTERM', () => {
  test('stores and syncs what arrived, answers open streams UNAVAILABLE with the count, and exits 0', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path });
    using client = new LogClient(server.grpc);
    const stream = client.open();
    for (let index = 0; index < 500; index++) {
      await stream.send({ session_id: 's', content: `${index}` });
    }
    await expect.poll(() => metric(server.http, 'logweir_frames_received_total')).toBe(500);
    expect(await server.end('SIGTERM')).toBe(0);
    const answer = await stream.answer;
    expect(answer).toMatchObject({ ok: false, code: status.UNAVAILABLE });
    if (!answer.ok) {
      expect(answer.details).toBe('the server is shutting down; 500 frames of this stream were stored');
      expect(answer.trailers.get('logweir-frames-written')).toEqual(['500']);
    }
    expect((await storedLines(directory.path, 's')).length).toBe(500);
    expect(await readdir(join(directory.path, 'active'))).toEqual(['s.logtmp']);
  });

  test('lets a stream that finishes in time have its response, and refuses new calls', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path });
    using client = new LogClient(server.grpc);
    const stream = client.open();
    await stream.send({ session_id: 's', content: 'a' });
    await expect.poll(() => metric(server.http, 'logweir_frames_received_total')).toBe(1);
    const ended = server.end('SIGTERM');
    await expect.poll(async () => (await fetch(`${server.http}/readyz`)).status).toBe(503);
    using late = new LogClient(server.grpc);
    expect(await late.write([{ session_id: 's', content: 'late' }])).toMatchObject({
      ok: false,
      code: status.UNAVAILABLE,
    });
    await stream.send({ session_id: 's', content: 'b' });
    expect(await stream.finish()).toMatchObject({ ok: true, response: { frames_written: 2 } });
    expect(await ended).toBe(0);
    expect((await storedLines(directory.path, 's')).map(({ content }) => content)).toEqual(['a', 'b']);
  });

  test('a second one ends the process at once', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path });
    using client = new LogClient(server.grpc);
    await client.open().send({ session_id: 's', content: 'a' });
    void server.end('SIGTERM');
    await expect.poll(() => server.log()).toContain('stopping');
    expect(await server.end('SIGTERM')).toBe('SIGTERM');
  });

  test('the next start goes on in the same segment with the next seq', async () => {
    await using directory = await temporaryDirectory();
    for (const content of ['a', 'b', 'c']) {
      await using server = await startServer({ LOG_DIR: directory.path });
      using client = new LogClient(server.grpc);
      await client.write([{ session_id: 's', content }]);
      expect(await server.end('SIGTERM')).toBe(0);
    }
    const lines = await storedLines(directory.path, 's');
    expect(lines.map(({ seq, content }) => [seq, content])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
    expect(await readdir(join(directory.path, 'active'))).toEqual(['s.logtmp']);
  });
});

describe('a start that can not be', () => {
  test('a second server on the same LOG_DIR refuses with one sentence, and the first goes on', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path });
    const { code, stderr } = serveOnce({ LOG_DIR: directory.path });
    expect(code).toBe(78);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(`is in use by another logweir (pid ${server.pid}`);
    using client = new LogClient(server.grpc);
    expect(await client.write([{ session_id: 's', content: 'a' }])).toMatchObject({ ok: true });
  });

  test.each([
    ['LOG_DIR that is a file', { LOG_DIR: BINARY }, 'LOG_DIR'],
    ['LOG_DIR that can not be made', { LOG_DIR: '/proc/nowhere' }, 'LOG_DIR'],
    ['a port that is no number', { GRPC_PORT: 'fifty' }, 'GRPC_PORT'],
    ['a port out of range', { HTTP_PORT: '70000' }, 'HTTP_PORT'],
    ['a size that is no number', { LOG_MAX_SIZE_BYTES: '64MB' }, 'LOG_MAX_SIZE_BYTES'],
    ['a Redis URL that is none', { REDIS_URL: 'localhost:6379' }, 'REDIS_URL'],
  ])('%s: one clear message and exit code 78', async (_what, environment, named) => {
    await using directory = await temporaryDirectory();
    const { code, stderr } = serveOnce({ LOG_DIR: directory.path, ...environment });
    expect(code).toBe(78);
    expect(stderr).toContain(named);
    expect(stderr).not.toContain('    at ');
  });

  test('every problem is named at once', async () => {
    const { code, stderr } = serveOnce({ GRPC_PORT: 'x', LOG_GZIP_LEVEL: '12', REDIS_MODE: 'topic' });
    expect(code).toBe(78);
    for (const name of ['GRPC_PORT', 'LOG_GZIP_LEVEL', 'REDIS_MODE']) {
      expect(stderr).toContain(name);
    }
  });

  test('a port that is taken', async () => {
    await using directory = await temporaryDirectory();
    await using other = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path });
    const { code, stderr } = serveOnce({ LOG_DIR: other.path, GRPC_PORT: server.grpc.split(':').at(-1) ?? '' });
    expect(code).toBe(78);
    expect(stderr).toContain('the port is in use');
    expect(stderr.trim().split('\n').at(-1)).not.toContain('    at ');
  });
});

describe('probes and metrics', () => {
  test('health, readiness and the metrics of a session that was written, sealed and compressed', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path, LOG_IDLE_SECONDS: '1' });
    expect((await fetch(`${server.http}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${server.http}/readyz`)).json()).toEqual({ ready: true, reasons: [] });
    const healthClient = loadPackageDefinition({ Health: healthService })['Health'] as unknown as new (
      address: string,
      security: object,
    ) => {
      check(request: object, callback: (error: Error | null, response: { status: string }) => void): void;
      close(): void;
    };
    const health = new healthClient(server.grpc, credentials.createInsecure());
    const checked = await new Promise((resolve, reject) => {
      health.check({ service: 'logging.v1.LogService' }, (error, response) =>
        error === null ? resolve(response) : reject(error),
      );
    });
    health.close();
    expect(checked).toEqual({ status: 'SERVING' });

    using client = new LogClient(server.grpc);
    await client.write([
      { session_id: 's', content: 'a', seq: 1 },
      { session_id: 's', content: 'a', seq: 1 },
    ]);
    await client.write([{ session_id: '' }]);
    await expect.poll(() => metric(server.http, 'logweir_compression_seconds_count'), { timeout: 10_000 }).toBe(1);
    const expected: Record<string, number> = {
      logweir_frames_received_total: 2,
      logweir_frames_written_total: 1,
      logweir_frames_duplicate_total: 1,
      'logweir_frames_refused_total{reason="session_id"}': 1,
      'logweir_seals_total{reason="idle"}': 1,
      logweir_files_open: 0,
      logweir_queue_bytes: 0,
      logweir_outbox_records: 0,
      logweir_redis_up: 0,
      'grpc_server_handled_total{grpc_method="WriteLogStream",grpc_code="OK"}': 1,
      'grpc_server_handled_total{grpc_method="WriteLogStream",grpc_code="INVALID_ARGUMENT"}': 1,
    };
    for (const [name, value] of Object.entries(expected)) {
      expect([name, await metric(server.http, name)]).toEqual([name, value]);
    }
    for (const name of [
      'logweir_fsync_seconds_count',
      'logweir_write_to_durable_seconds_count',
      'process_cpu_seconds_total',
      'logweir_build_info',
    ]) {
      expect([name, (await metric(server.http, name)) ?? 0]).toEqual([name, expect.any(Number)]);
      expect(await metric(server.http, name)).toBeGreaterThan(0);
    }
    const [segment] = (await readdir(join(directory.path, 'sessions', 's'))).filter((name) => name.endsWith('.json'));
    const manifest = JSON.parse(await readFile(join(directory.path, 'sessions', 's', segment ?? ''), 'utf8')) as object;
    expect(manifest).toMatchObject({ id: 's/1-1', reason: 'idle', frames: 1, prev_sha256: null });
  });

  test('a Redis that is away disturbs neither readiness nor writing', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({
      LOG_DIR: directory.path,
      REDIS_URL: 'redis://127.0.0.1:1',
      LOG_MAX_SIZE_BYTES: '200',
    });
    using client = new LogClient(server.grpc);
    const frames = Array.from({ length: 20 }, (_, index) => ({ session_id: 's', content: 'x'.repeat(100 + index) }));
    expect(await client.write(frames)).toMatchObject({ ok: true });
    expect((await fetch(`${server.http}/readyz`)).status).toBe(200);
    await expect.poll(() => metric(server.http, 'logweir_outbox_records'), { timeout: 20_000 }).toBe(19);
    expect(await metric(server.http, 'logweir_redis_up')).toBe(0);
    expect(await server.end('SIGTERM')).toBe(0);
    expect((await readdir(join(directory.path, 'outbox'))).length).toBe(19);
  });
});
