import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decode } from '@msgpack/msgpack';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CompletingClient } from '../support/completing-client.js';
import { LogClient } from '../support/log-client.js';
import { ReaderClient } from '../support/reader-client.js';
import { type RedisServer, redisAvailable, startRedis } from '../support/redis.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';

interface Event {
  readonly type: string;
  readonly encoding: string;
  readonly content: Record<string, unknown>;
  readonly timestamp: string;
}

const MODES = ['stream', 'list', 'pubsub'] as const;
const FORMATS = ['json', 'msgpack'] as const;
const CASES = MODES.flatMap((mode) => FORMATS.map((format) => [mode, format] as const));

const decoded = (bytes: Buffer, format: string): unknown =>
  format === 'json' ? JSON.parse(bytes.toString('utf8')) : decode(bytes);

/** What an ETL job of that mode hears, from now on. */
async function listen(redis: Redis, mode: string, key: string, format: string): Promise<() => Promise<Event[]>> {
  if (mode === 'stream') {
    return async () => {
      const entries = await redis.xrangeBuffer(key, '-', '+');
      return entries.map(([, fields]) => {
        const field = (name: string): Buffer =>
          fields[fields.findIndex((one) => String(one) === name) + 1] ?? Buffer.of();
        const text = (name: string): string => field(name).toString('utf8');
        const content = decoded(field('content'), format) as Event['content'];
        expect(text('id')).toBe(content['event_id']);
        return { type: text('type'), encoding: text('encoding'), content, timestamp: text('timestamp') };
      });
    };
  }
  if (mode === 'list') {
    return async () => (await redis.lrangeBuffer(key, 0, -1)).map((envelope) => decoded(envelope, format) as Event);
  }
  const heard: Event[] = [];
  redis.on('messageBuffer', (_channel: Buffer, body: Buffer) => heard.push(decoded(body, format) as Event));
  await redis.subscribe(key);
  return () => Promise.resolve(heard);
}

const line = { session_id: 's/1', content: 'line' };

describe.skipIf(!redisAvailable)('a completion, with a real Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  test.each(CASES)('is announced behind its segments, on a %s as %s', async (mode, format) => {
    await using directory = await temporaryDirectory();
    const key = `completions-${mode}-${format}`;
    const redis = new Redis(server.url);
    const heard = await listen(redis, mode, key, format);
    const env = { REDIS_URL: server.url, REDIS_KEY: key, REDIS_MODE: mode, REDIS_PUBSUB_FORMAT: format };
    await using logweir = await startServer({ LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '250', ...env });
    using writer = new LogClient(logweir.grpc);
    using completer = new CompletingClient(logweir.grpc);
    await writer.write([line, line, line, line, line]);
    expect(await completer.complete({ session_id: 's/1', status: 'failed', exit_code: -1 })).toBe(5);
    await completer.complete({ session_id: 's/1', status: 'failed', exit_code: -1 });
    await writer.write([line]);
    expect(await completer.complete({ session_id: 's/1' })).toBe(6);
    await expect
      .poll(async () => (await heard()).filter(({ type }) => type === 'log_completion').length, { timeout: 30_000 })
      .toBe(2);
    const events = await heard();
    const ids = events.map(({ content }) => content['event_id']);
    expect(ids.indexOf('completion:s/1/5')).toBeGreaterThan(1);
    expect(ids.slice(-2)).toEqual(['rotation:s/1/6-6', 'completion:s/1/6']);
    const before = events.slice(0, ids.indexOf('completion:s/1/5'));
    expect(before.every(({ type }) => type === 'log_rotation')).toBe(true);
    expect(before.at(-1)?.content).toMatchObject({ last_seq: 5, reason: 'complete' });
    expect(events[before.length]).toEqual({
      type: 'log_completion',
      encoding: format,
      content: {
        session_id: 's/1',
        last_seq: 5,
        status: 'failed',
        exit_code: -1,
        completed_at: expect.stringMatching(/^20.*Z$/),
        event_id: 'completion:s/1/5',
      },
      timestamp: expect.stringMatching(/^20.*\+00:00$/),
    });
    expect('exit_code' in (events.at(-1)?.content ?? {})).toBe(false);
    redis.disconnect();
  });

  test('that was answered before kill -9 is announced by the next start, with Redis away meanwhile', async () => {
    await using directory = await temporaryDirectory();
    const env = { LOG_DIR: directory.path, REDIS_URL: 'redis://127.0.0.1:1', REDIS_KEY: 'killed' };
    {
      await using logweir = await startServer(env);
      using writer = new LogClient(logweir.grpc);
      using completer = new CompletingClient(logweir.grpc);
      await writer.write([line, line]);
      expect(await completer.complete({ session_id: 's/1', status: 'stopped' })).toBe(2);
      await logweir.end('SIGKILL');
    }
    const redis = new Redis(server.url);
    const heard = await listen(redis, 'stream', 'killed', 'json');
    await using logweir = await startServer({ ...env, REDIS_URL: server.url });
    using reader = new ReaderClient(logweir.grpc);
    expect(await reader.session('s/1')).toMatchObject({ status: 'stopped', last_seq: 2 });
    await expect.poll(async () => (await heard()).length, { timeout: 30_000 }).toBe(2);
    expect((await heard()).map(({ content }) => content['event_id'])).toEqual(['rotation:s/1/1-2', 'completion:s/1/2']);
    redis.disconnect();
  });
});

describe('SIGTERM', () => {
  test('while sessions are being completed: each that was answered is completed, the others are told', async () => {
    await using directory = await temporaryDirectory();
    const ids = Array.from({ length: 200 }, (_, index) => `s${index}`);
    let answers: Awaited<ReturnType<CompletingClient['complete']>>[];
    {
      await using logweir = await startServer({ LOG_DIR: directory.path });
      using writer = new LogClient(logweir.grpc);
      using completer = new CompletingClient(logweir.grpc);
      await writer.write(ids.map((session_id) => ({ session_id, content: 'x' })));
      const completing = ids.map((session_id, index) => completer.complete({ session_id, exit_code: index }));
      await Promise.race([completing[20], sleep(5_000)]);
      expect(await logweir.end('SIGTERM')).toBe(0);
      answers = await Promise.all(completing);
    }
    expect(answers.filter((answer) => answer === 1).length).toBeGreaterThan(0);
    const failures = answers.filter((answer) => typeof answer !== 'number').map(({ code }) => code);
    // CANCELLED, UNAVAILABLE
    expect(failures.filter((code) => code !== 1 && code !== 14)).toEqual([]);
    await using logweir = await startServer({ LOG_DIR: directory.path });
    using reader = new ReaderClient(logweir.grpc);
    for (const [index, answer] of answers.entries()) {
      const { status, exit_code } = await reader.session(`s${index}`);
      const isCompleted = status === 'completed' && exit_code === index;
      expect(isCompleted || answer !== 1, `s${index}: ${status}`).toBe(true);
    }
    await expect.poll(() => readdir(join(directory.path, 'sealing')), { timeout: 30_000 }).toEqual([]);
  });
});
