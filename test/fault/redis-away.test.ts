/**
 * docs/reliability.md, "Redis away, reset, or losing replies": ingest does not notice; everything is announced when it is back; one
 * effect per id.
 */
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RedisMode } from '../../src/sealing/announce-script.js';
import { Announcer } from '../../src/sealing/announcer.js';
import { createRedisPublisher } from '../../src/sealing/redis-announcer.js';
import type { Files } from '../../src/segment/files.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { rotation } from '../sealing/events.js';
import { interceptedFiles } from '../sealing/faulty-files.js';
import { hastyClock, logDirectory, type Rig, startSealing, until } from '../sealing/fixture.js';
import { LogClient } from '../support/log-client.js';
import { freePort, type RedisServer, redisAvailable, startRedis } from '../support/redis.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { amount, measured } from './amounts.js';
import { type Cut, startOffsetProxy } from './offset-proxy.js';

const FAULT = 'Redis away, reset, or losing replies';
const KEY = 'logweir:rotations';
const MODES = ['stream', 'list', 'pubsub'] as const;

async function startAnnouncing(
  url: string,
  mode: RedisMode,
  layout = logDirectory('memory'),
  files: Files = nodeFiles,
): Promise<Rig & { announcer: Announcer }> {
  const rig = await startSealing(layout, { files });
  const { outbox, metrics, logger } = rig;
  const publisher = createRedisPublisher({ url, mode, key: KEY, format: 'json', clock: hastyClock, logger });
  const announcer = new Announcer({ outbox, publisher, clock: hastyClock, logger, metrics });
  onTestFinished(() => announcer.close());
  announcer.start();
  return { ...rig, announcer };
}

function connect(port: number): Redis {
  const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: null });
  redis.on('error', () => undefined);
  onTestFinished(() => redis.disconnect());
  return redis;
}

async function startOwnRedis(options: Parameters<typeof startRedis>[0] = {}): Promise<RedisServer> {
  const server = await startRedis(options);
  onTestFinished(() => server.stop());
  return server;
}

function idOf(envelope: string): string {
  return (JSON.parse(envelope) as { content: { event_id: string } }).content.event_id;
}

/** What consumers of a mode were told, as ids in the order of the effects; for pubsub from now on. */
async function effects(redis: Redis, mode: RedisMode): Promise<() => Promise<string[]>> {
  if (mode === 'stream') {
    return async () => (await redis.xrange(KEY, '-', '+')).map(([, fields]) => fields[1] ?? '');
  }
  if (mode === 'list') {
    return async () => (await redis.lrange(KEY, 0, -1)).map(idOf);
  }
  const published: string[] = [];
  const subscriber = redis.duplicate();
  subscriber.on('error', () => undefined);
  onTestFinished(() => subscriber.disconnect());
  subscriber.on('message', (_channel, envelope) => published.push(idOf(envelope)));
  await subscriber.subscribe(KEY);
  return () => Promise.resolve(published);
}

function idsOf(session: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `rotation:${session}/${index + 1}-${index + 1}`);
}

/** About `points` cuts over both directions of a conversation, and each byte of the last reply. */
function cutsOf(passed: Record<Cut['direction'], number>, points: number): Cut[] {
  const stride = Math.max(1, Math.ceil((passed['to Redis'] + passed['from Redis']) / points));
  return (['to Redis', 'from Redis'] as const).flatMap((direction) => {
    const last = passed[direction] - 1;
    const offsets = new Set<number>();
    for (let at = 0; at <= last; at += stride) {
      offsets.add(at);
    }
    for (let at = Math.max(0, last - 3); at <= last; at++) {
      offsets.add(at);
    }
    return [...offsets].map((afterBytes) => ({ direction, afterBytes }));
  });
}

/** Every announcement over a connection of its own that is cut once; then over one that is not. */
async function cutEverywhere(mode: RedisMode): Promise<{ cuts: number; events: number; effects: string[] }> {
  const server = await startOwnRedis();
  const proxy = await startOffsetProxy(server.port);
  onTestFinished(() => proxy.close());
  const told = await effects(connect(server.port), mode);
  const { outbox, announcer } = await startAnnouncing(`redis://127.0.0.1:${proxy.port}`, mode);
  let events = 0;
  const announce = async (): Promise<void> => {
    events += 1;
    await outbox.add(rotation('s', events, events));
    await until(() => outbox.depth === 0);
  };
  const reconnect = async (): Promise<void> => {
    proxy.reset();
    await until(() => !announcer.redisUp);
  };
  // The first also sends the script; the second's conversation is the one that is cut.
  await announce();
  await reconnect();
  await announce();
  let cuts = 0;
  for (const cut of cutsOf({ ...proxy.passed }, amount(50, Number.POSITIVE_INFINITY))) {
    proxy.cutNext(cut);
    await reconnect();
    await announce();
    cuts += proxy.wasCut ? 1 : 0;
  }
  await until(async () => (await told()).length >= events);
  return { cuts, events, effects: await told() };
}

describe.skipIf(!redisAvailable)(FAULT, () => {
  test('a connection cut at each byte, either way: everything is announced in order, with one effect per id', async () => {
    const results = await Promise.all(MODES.map(async (mode) => ({ mode, ...(await cutEverywhere(mode)) })));
    for (const { mode, cuts, events, effects: told } of results) {
      expect(cuts, mode).toBeGreaterThan(amount(40, 400));
      // At least once under the same id is what list and pubsub promise; while markers live, it is once.
      expect(told, mode).toEqual(idsOf('s', events));
    }
    measured(FAULT, { 'bytes cut at': results.reduce((sum, { cuts }) => sum + cuts, 0) });
  });

  test.each(MODES)(
    'ended between publish and mark-done (%s): the next life announces again, with one effect',
    async (mode) => {
      const server = await startOwnRedis();
      const told = await effects(connect(server.port), mode);
      const lives = amount(10, 200);
      const layout = logDirectory('memory');
      for (let life = 1; life <= lives; life++) {
        // Published, and then no record can be removed any more: that is all a killed process leaves.
        let removals = 0;
        const files = interceptedFiles(({ name, paths }) => {
          const isRecord = name === 'remove' && (paths[0] ?? '').endsWith('.json');
          removals += isRecord ? 1 : 0;
          if (isRecord && removals > life % 3) {
            throw new Error('killed');
          }
        });
        const dying = await startAnnouncing(server.url, mode, layout, files);
        for (let n = 1; n <= 3; n++) {
          const seq = (life - 1) * 3 + n;
          await dying.outbox.add(rotation('s', seq, seq));
        }
        await until(() => removals > life % 3);
        await dying.announcer.close();
      }
      const { outbox } = await startAnnouncing(server.url, mode, layout);
      await until(() => outbox.depth === 0);
      await until(async () => (await told()).length >= 3 * lives);
      expect(await told()).toEqual(idsOf('s', 3 * lives));
      measured(FAULT, { 'ends between publish and mark-done': lives });
    },
  );

  test('away for all of the ingest: every frame is acknowledged, and everything is announced in order when it comes', async () => {
    const port = await freePort();
    await using directory = await temporaryDirectory();
    await using server = await startServer({
      LOG_DIR: directory.path,
      LOG_MAX_SIZE_BYTES: '1',
      REDIS_URL: `redis://127.0.0.1:${port}`,
    });
    using client = new LogClient(server.grpc);
    const [sessions, frames] = [amount(4, 20), amount(25, 200)];
    const stream = client.open();
    for (let seq = 1; seq <= frames; seq++) {
      for (let session = 0; session < sessions; session++) {
        await stream.send({ session_id: `s${session}`, content: `${seq}` });
      }
    }
    expect(await stream.finish()).toMatchObject({ ok: true, response: { frames_written: sessions * frames } });
    expect((await fetch(`${server.http}/readyz`)).status).toBe(200);
    await startOwnRedis({ port });
    const told = await effects(connect(port), 'stream');
    // The last line of a session is still being written.
    const segments = sessions * (frames - 1);
    await expect.poll(async () => (await told()).length, { timeout: 60_000 }).toBe(segments);
    for (let session = 0; session < sessions; session++) {
      const seqs = seqsOf(await told(), `s${session}`);
      expect(seqs).toEqual(Array.from({ length: frames - 1 }, (_, index) => index + 1));
    }
    measured(FAULT, { 'announced after Redis came': segments });
  });

  interface Refusal {
    readonly reason: string;
    refuse(redis: Redis, server: RedisServer): Promise<unknown>;
    allow(redis: Redis): Promise<unknown>;
  }

  const REFUSALS: readonly Refusal[] = [
    {
      reason: 'OOM',
      refuse: (redis) => redis.config('SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1'),
      allow: (redis) => redis.config('SET', 'maxmemory', '0'),
    },
    {
      reason: 'READONLY',
      refuse: (redis) => redis.replicaof('127.0.0.1', '1'),
      allow: (redis) => redis.replicaof('NO', 'ONE'),
    },
    {
      reason: 'WRONGTYPE',
      refuse: (redis) => redis.set(KEY, 'a string'),
      allow: (redis) => redis.del(KEY),
    },
    {
      reason: 'NOAUTH',
      async refuse(redis) {
        await redis.config('SET', 'requirepass', 'secret');
        await redis.auth('secret');
        await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      },
      allow: (redis) => redis.config('SET', 'requirepass', ''),
    },
  ];

  test.each(REFUSALS)(
    '$reason: said once with its cause, tried again, announced in order once it passes',
    async ({ reason, refuse, allow }) => {
      const server = await startOwnRedis();
      const redis = connect(server.port);
      const { outbox, logger, announcer } = await startAnnouncing(server.url, 'stream');
      await until(() => announcer.redisUp);
      await refuse(redis, server);
      for (let n = 1; n <= 3; n++) {
        await outbox.add(rotation('s', n, n));
      }
      const saying = (): number =>
        logger.lines.filter(
          ({ level, fields }) =>
            level === 'warn' && `${String(fields['err'])} ${String(fields['reason'])}`.includes(reason),
        ).length;
      await until(() => saying() > 0);
      // Time for several tries.
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect([saying(), outbox.depth, announcer.redisUp]).toEqual([1, 3, false]);
      await allow(redis);
      await until(() => outbox.depth === 0);
      const told = await effects(redis, 'stream');
      expect(await told()).toEqual(idsOf('s', 3));
      expect(JSON.stringify(logger.lines)).not.toContain('secret');
    },
  );

  test('LOADING: events wait until it has read its data, and are announced then', async () => {
    const slow = ['--key-load-delay', '400', '--loading-process-events-interval-bytes', '1024'];
    const server = await startOwnRedis({ args: slow });
    const redis = connect(server.port);
    await redis.eval("for i = 1, 4000 do redis.call('SET', 'k' .. i, string.rep('x', 64)) end", 0);
    await redis.save();
    await server.restart();
    const { outbox } = await startAnnouncing(server.url, 'stream');
    await outbox.add(rotation('s', 1, 1));
    await until(() => outbox.depth === 0, 60_000);
    expect(await redis.xlen(KEY)).toBe(1);
    expect(await redis.exists('k4000')).toBe(1);
  });
});

function seqsOf(ids: readonly string[], session: string): number[] {
  return ids.filter((id) => id.startsWith(`rotation:${session}/`)).map((id) => Number(/\/(\d+)-/.exec(id)?.[1]));
}
