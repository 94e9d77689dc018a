/**
 * docs/reliability.md, "Redis away, reset, or losing replies": a server that is killed when Redis has published and its reply is on
 * the way announces everything in its next life, and each event has had one effect.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { redisAvailable, startRedis } from '../support/redis.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { amount, measured } from './amounts.js';

const KEY = 'logweir:rotations';

/** Forwards everything but one reply, counted from `arm`, which it keeps to itself and reports. */
async function startReplyTrap(target: number): Promise<{ port: number; arm(reply: number, caught: () => void): void }> {
  let left = Number.POSITIVE_INFINITY;
  let report: () => void = () => undefined;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('error', () => undefined);
      from.on('close', () => to.destroy());
    }
    client.on('data', (bytes) => upstream.write(bytes));
    upstream.on('data', (bytes) => {
      left--;
      if (left > 0) {
        client.write(bytes);
      } else if (left === 0) {
        report();
      }
    });
  });
  onTestFinished(() => {
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    arm(reply, caught) {
      left = reply;
      report = caught;
    },
  };
}

/** What was published, as event ids, in the order of the effects. */
async function listen(port: number, mode: string): Promise<() => Promise<string[]>> {
  const redis = new Redis(port, '127.0.0.1');
  onTestFinished(() => redis.disconnect());
  const idIn = (envelope: string): string =>
    (JSON.parse(envelope) as { content: { event_id: string } }).content.event_id;
  if (mode === 'stream') {
    return async () => (await redis.xrange(KEY, '-', '+')).map(([, fields]) => fields[fields.indexOf('id') + 1] ?? '');
  }
  if (mode === 'list') {
    return async () => (await redis.lrange(KEY, 0, -1)).map(idIn);
  }
  const heard: string[] = [];
  redis.on('message', (_channel, message) => heard.push(idIn(message)));
  await redis.subscribe(KEY);
  return () => Promise.resolve(heard);
}

/** Writes until the server is killed. */
async function writeUntilEnded(server: ServerProcess, life: number): Promise<void> {
  using client = new LogClient(server.grpc);
  const stream = client.openBatches();
  for (let batch = 1; batch < 10; batch++) {
    const content = `${life}:${batch} ${'x'.repeat(80)}`;
    stream.send(
      batch,
      Array.from({ length: 10 }, (_, index) => ({ session_id: `s${index % 3}`, content })),
    );
  }
  await server.ended;
}

async function outboxRecords(server: ServerProcess): Promise<string | undefined> {
  const metrics = await (await fetch(`${server.http}/metrics`)).text();
  return /^logweir_outbox_records (\d+)/m.exec(metrics)?.[1];
}

describe.skipIf(!redisAvailable)('a server is killed when a reply of Redis is on the way', () => {
  test.each(['stream', 'list', 'pubsub'])('%s: its next life announces the rest, and nothing twice', async (mode) => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const effects = await listen(redis.port, mode);
    const trap = await startReplyTrap(redis.port);
    await using directory = await temporaryDirectory();
    const environment = {
      LOG_DIR: directory.path,
      REDIS_URL: `redis://127.0.0.1:${trap.port}`,
      REDIS_MODE: mode,
      LOG_MAX_SIZE_BYTES: '2000',
    };
    const lives = amount(6, 60);
    for (let life = 0; life < lives; life++) {
      const server = await startServer(environment);
      trap.arm(1 + (life % 6), () => process.kill(server.pid, 'SIGKILL'));
      await writeUntilEnded(server, life);
      trap.arm(Number.POSITIVE_INFINITY, () => undefined);
      await using next = await startServer(environment);
      await expect.poll(() => outboxRecords(next), { timeout: 30_000 }).toBe('0');
      expect(await next.end('SIGTERM')).toBe(0);
    }
    const ids = await effects();
    expect(ids.length).toBeGreaterThan(lives);
    expect(ids.toSorted()).toEqual([...new Set(ids)].toSorted());
    measured('Redis away, reset, or losing replies', { [`kill -9 at a reply (${mode})`]: lives, events: ids.length });
  });
});
