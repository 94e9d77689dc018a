import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from '@msgpack/msgpack';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { RedisMode } from '../../src/sealing/announce-script.js';
import type { AnnouncementFormat } from '../../src/sealing/announcement-encoding.js';
import { Announcer } from '../../src/sealing/announcer.js';
import { encodeRecord, recordNameOf } from '../../src/sealing/outbox-record.js';
import { createRedisPublisher } from '../../src/sealing/redis-announcer.js';
import type { Layout } from '../../src/segment/layout.js';
import { freePort, type RedisServer, redisAvailable, startRedis } from '../support/redis.js';
import { startCuttingProxy } from './cutting-proxy.js';
import { completion, manifest, rotation } from './events.js';
import { filesUnder, hastyClock, logDirectory, nth, type Rig, startSealing, until } from './fixture.js';
import { consume } from './redis-consumer.js';

const KEY = 'logweir:rotations';
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/;

interface AnnouncerRig extends Rig {
  readonly announcer: Announcer;
}

async function startAnnouncing(options: {
  url: string;
  layout?: Layout;
  mode?: RedisMode;
  key?: string;
  format?: AnnouncementFormat;
}): Promise<AnnouncerRig> {
  const { url, layout = logDirectory(), mode = 'stream', key = KEY, format = 'json' } = options;
  const rig = await startSealing(layout);
  const { outbox, metrics, logger } = rig;
  const publisher = createRedisPublisher({ url, mode, key, format, clock: hastyClock, logger });
  const announcer = new Announcer({ outbox, publisher, clock: hastyClock, logger, metrics });
  onTestFinished(() => announcer.close());
  announcer.start();
  return { ...rig, announcer };
}

describe.skipIf(!redisAvailable)('announcing over Redis', () => {
  let server: RedisServer;
  let redis: Redis;

  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.port, '127.0.0.1', { retryStrategy: () => 50 });
    redis.on('error', () => undefined);
  });

  afterAll(async () => {
    redis?.disconnect();
    await server?.stop();
  });

  beforeEach(async () => {
    await redis.flushall();
  });

  const modes = ['stream', 'list', 'pubsub'] as const;
  const formats = ['json', 'msgpack'] as const;
  test.each(modes.flatMap((mode) => formats.map((format) => [mode, format] as const)))(
    'a consumer of %s reads %s',
    async (mode, format) => {
      const next = await consume(redis, mode, KEY);
      const { outbox, announcer, layout, metrics } = await startAnnouncing({ url: server.url, mode, format });
      const producers = Object.fromEntries([
        ['w3', 2 ** 53 - 1],
        ['constructor', 2 ** 32],
        ['toString', 2 ** 31],
      ]);
      const segment = manifest('build-42', 7, 2 ** 53 - 1, { producers });
      await outbox.add({ type: 'log_rotation', manifest: segment });
      const received = await next();

      const event_id = `rotation:build-42/7-${2 ** 53 - 1}`;
      const content = { ...segment, event_id };
      const body = nth([...received.values()], mode === 'stream' ? 3 : 0);
      const decoded: unknown = format === 'json' ? JSON.parse(String(body)) : decode(body);
      if (mode === 'stream') {
        expect([...received.keys()]).toEqual(['id', 'type', 'encoding', 'content', 'timestamp']);
        expect([...received.values()].slice(0, 3).map(String)).toEqual([event_id, 'log_rotation', format]);
        expect(String(received.get('timestamp'))).toMatch(TIMESTAMP);
        expect(decoded).toEqual(content);
      } else {
        expect(decoded).toEqual({
          type: 'log_rotation',
          encoding: format,
          content,
          timestamp: expect.stringMatching(TIMESTAMP),
        });
        expect(Object.keys(Object(decoded))).toEqual(['type', 'encoding', 'content', 'timestamp']);
      }
      if (format === 'json') {
        expect(String(body)).not.toMatch(/[:,] /);
      } else {
        // 2^53−1 is an int64; as a float, other languages would read 9007199254740991.0.
        expect(body.includes(Buffer.from('d3001fffffffffffff', 'hex'))).toBe(true);
        expect(body.includes(Buffer.from('cb433fffffffffffff', 'hex'))).toBe(false);
      }
      await until(() => outbox.depth === 0);
      expect(announcer.redisUp).toBe(true);
      expect(filesUnder(layout.outbox)).toEqual([]);
      expect(await metrics.registry.getSingleMetricAsString('logweir_announcements_total')).toContain(
        'result="announced"} 1',
      );
    },
  );

  const entries = async (key = KEY): Promise<string[]> =>
    (await redis.xrange(key, '-', '+')).map(([, fields]) => nth(fields, 1));

  test('1,000 records of an earlier run are announced in order, in a moment', async () => {
    const layout = logDirectory();
    for (let n = 1; n <= 1000; n++) {
      const event = rotation(n % 3 === 0 ? 'other' : 'build-42', n * 10, n * 10 + 9);
      writeFileSync(join(layout.outbox, recordNameOf(event).fileName), encodeRecord(event, Date.now()));
    }
    const started = performance.now();
    const { outbox } = await startAnnouncing({ url: server.url, layout });
    await until(() => outbox.depth === 0);
    expect(performance.now() - started).toBeLessThan(5_000);
    const ids = await entries();
    expect(ids.length).toBe(1000);
    for (const session of ['other', 'build-42']) {
      const seqs = ids
        .filter((id) => id.startsWith(`rotation:${session}/`))
        .map((id) => Number(/\/(\d+)-/.exec(id)?.[1]));
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    }
  });

  test('an event that is announced twice is one entry, in every mode', async () => {
    const layout = logDirectory();
    for (const mode of modes) {
      const key = `twice:${mode}`;
      const subscriber = redis.duplicate();
      let published = 0;
      subscriber.on('message', () => (published += 1));
      await subscriber.subscribe(key);
      for (const life of [1, 2]) {
        const rig = await startAnnouncing({ url: server.url, layout, mode, key });
        await rig.outbox.add(rotation('s', 1, 2));
        await rig.outbox.add(completion('s', life + 2));
        await until(() => rig.outbox.depth === 0);
        await rig.announcer.close();
      }
      const counts = {
        stream: () => redis.xlen(key),
        list: () => redis.llen(key),
        pubsub: () => Promise.resolve(published),
      };
      expect(await counts[mode]()).toBe(3);
      subscriber.disconnect();
      expect(await redis.ttl(`{${key}}:announced:rotation:s/1-2`)).toBeGreaterThan(7 * 24 * 3600 - 60);
    }
  });

  test.each([0, 1, 2])('a reply of which %i bytes arrive costs a retry, and there is one entry', async (replyBytes) => {
    const proxy = await startCuttingProxy({ target: server.port, trigger: 'EVALSHA', replyBytes, cutsMax: 3 });
    onTestFinished(() => proxy.close());
    // Known to the server already, so that the cut reply is that of the script itself.
    const warm = await startAnnouncing({ url: server.url });
    await warm.outbox.add(rotation('warm', 1, 1));
    await until(() => warm.outbox.depth === 0);
    const { outbox, announcer } = await startAnnouncing({ url: `redis://127.0.0.1:${proxy.port}` });
    for (let n = 1; n <= 5; n++) {
      await outbox.add(rotation('s', n, n));
    }
    await until(() => outbox.depth === 0);
    expect(proxy.cuts).toBe(3);
    expect(await entries()).toEqual(['rotation:warm/1-1', ...[1, 2, 3, 4, 5].map((n) => `rotation:s/${n}-${n}`)]);
    await until(() => announcer.redisUp);
  });

  test('a record that is no event goes to quarantine and holds up nobody', async () => {
    const layout = logDirectory();
    writeFileSync(join(layout.outbox, 'rotation_s_0000000000000001-0000000000000002.json'), '{"type":"log_ro');
    const { outbox } = await startAnnouncing({ url: server.url, layout });
    await outbox.add(rotation('s', 3, 4));
    await until(() => outbox.depth === 0);
    expect(await entries()).toEqual(['rotation:s/3-4']);
    expect(readdirSync(layout.quarantine).length).toBe(1);
  });

  test('a key of another type: said once, tried again, announced once the key is free, in order', async () => {
    await redis.set(KEY, 'a string');
    const { outbox, announcer, logger, metrics } = await startAnnouncing({ url: server.url });
    await outbox.add(rotation('s', 1, 1));
    await outbox.add(rotation('s', 2, 2));
    const failed = async (): Promise<number> =>
      Number(
        /failed"} (\d+)/.exec(await metrics.registry.getSingleMetricAsString('logweir_announcements_total'))?.[1] ?? 0,
      );
    await until(async () => (await failed()) >= 6);
    expect(announcer.redisUp).toBe(false);
    const warnings = logger.lines.filter((logged) => logged.level === 'warn');
    expect(warnings.length).toBe(1);
    expect(String(warnings[0]?.fields['err'])).toContain('WRONGTYPE');
    // ioredis hangs the command on its errors, and with AUTH that would be the password.
    expect(Object.keys(Object(warnings[0]?.fields['err']))).toEqual([]);
    expect(outbox.depth).toBe(2);

    await redis.del(KEY);
    await until(() => outbox.depth === 0);
    expect(await entries()).toEqual(['rotation:s/1-1', 'rotation:s/2-2']);
    await until(() => announcer.redisUp);
    expect(logger.lines.at(-1)?.message).toBe('Events are announced again.');
  });

  test('a script flushed from the server is sent again', async () => {
    const { outbox } = await startAnnouncing({ url: server.url });
    await outbox.add(rotation('s', 1, 1));
    await until(() => outbox.depth === 0);
    await redis.script('FLUSH');
    await outbox.add(rotation('s', 2, 2));
    await until(() => outbox.depth === 0);
    expect((await entries()).length).toBe(2);
  });

  test('a read-only replica takes nothing, also not a PUBLISH per try', async () => {
    const replica = await startRedis();
    onTestFinished(() => replica.stop());
    const control = new Redis(replica.port, '127.0.0.1');
    onTestFinished(() => control.disconnect());
    await control.replicaof('127.0.0.1', String(server.port));
    const subscriber = control.duplicate();
    onTestFinished(() => subscriber.disconnect());
    let published = 0;
    subscriber.on('message', () => (published += 1));
    await subscriber.subscribe(KEY);
    const { outbox, logger } = await startAnnouncing({ url: replica.url, mode: 'pubsub' });
    await outbox.add(rotation('s', 1, 1));
    await until(() => logger.lines.some((logged) => String(logged.fields['err']).includes('READONLY')));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([published, outbox.depth]).toEqual([0, 1]);
    await control.replicaof('NO', 'ONE');
    await until(() => outbox.depth === 0);
    await until(() => published === 1);
  });

  test('a missing password is told, without the password, and nothing is lost', async () => {
    const locked = await startRedis({ args: ['--requirepass', 'right'] });
    onTestFinished(() => locked.stop());
    const { outbox, logger, announcer } = await startAnnouncing({ url: `redis://:hunter2@127.0.0.1:${locked.port}` });
    await outbox.add(rotation('s', 1, 1));
    await until(() => logger.lines.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(logger.lines.map((logged) => logged.fields['reason'])).toEqual([expect.stringContaining('WRONGPASS')]);
    expect(JSON.stringify(logger.lines)).not.toContain('hunter2');
    expect([outbox.depth, announcer.redisUp]).toEqual([1, false]);
  });
});

describe.skipIf(!redisAvailable)('Redis that comes and goes', () => {
  test('is absent at first, killed in the middle, frozen: everything is announced once it is back', async () => {
    const port = await freePort();
    const { outbox, announcer, logger } = await startAnnouncing({ url: `redis://127.0.0.1:${port}`, mode: 'list' });
    await outbox.add(rotation('s', 1, 1));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([announcer.redisUp, outbox.depth]).toEqual([false, 1]);
    // Several tries, one line.
    expect(logger.lines.map((logged) => logged.message)).toEqual([
      'Redis cannot be used; events stay in the outbox meanwhile.',
    ]);

    const server = await startRedis({ port });
    onTestFinished(() => server.stop());
    await until(() => outbox.depth === 0);
    expect(announcer.redisUp).toBe(true);
    const consumer = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: null });
    consumer.on('error', () => undefined);
    onTestFinished(() => consumer.disconnect());
    const seen = new Set<string>();
    const drain = async (): Promise<void> => {
      for (let item = await consumer.lpop(KEY); item !== null; item = await consumer.lpop(KEY)) {
        seen.add(JSON.parse(item).content.event_id);
      }
    };
    await drain();

    // It keeps nothing on disk: what it held and nobody had read yet is lost to it, so read before each kill.
    let added = 1;
    const adding = (async () => {
      while (added < 200) {
        await outbox.add(rotation('s', added + 1, added + 1));
        added += 1;
      }
    })();
    await until(() => added > 50);
    await server.kill();
    await until(() => !announcer.redisUp);
    await adding;
    const waiting = outbox.depth;
    expect(waiting).toBeGreaterThan(0);
    await server.restart();
    await until(() => outbox.depth === 0);
    await drain();
    expect(seen.size).toBeGreaterThanOrEqual(waiting);
    expect(seen.has('rotation:s/200-200')).toBe(true);

    server.freeze();
    await outbox.add(completion('s', 200));
    // 5 s until the command is given up.
    await until(() => !announcer.redisUp);
    server.thaw();
    await until(() => outbox.depth === 0);
    await until(async () => {
      await drain();
      return seen.has('completion:s/200');
    });
  });

  test('closing ends at once although the server is frozen, and keeps the record', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const { outbox, announcer, layout } = await startAnnouncing({ url: server.url });
    await until(() => announcer.redisUp);
    server.freeze();
    await outbox.add(rotation('s', 1, 1));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const started = performance.now();
    await announcer.close();
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(filesUnder(layout.outbox).length).toBe(1);
  });
});
