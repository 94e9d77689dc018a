import type { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import type { RedisMode } from '../../src/sealing/announce-script.js';
import { nth } from './fixture.js';

/**
 * An ETL job of each mode, ready before anything is published. What it returns waits for one event: the fields of a
 * stream's entry, or one field `envelope`, in their order and as raw bytes.
 */
export async function consume(redis: Redis, mode: RedisMode, key: string): Promise<() => Promise<Map<string, Buffer>>> {
  if (mode === 'stream') {
    return async () => {
      const streams = await redis.xreadBuffer('BLOCK', 5000, 'STREAMS', key, '0');
      const [, entries] = nth(streams ?? [], 0);
      const [, fields] = nth(entries, 0);
      const pairs = new Map<string, Buffer>();
      for (let at = 0; at < fields.length; at += 2) {
        pairs.set(String(fields[at]), nth(fields, at + 1));
      }
      return pairs;
    };
  }
  if (mode === 'list') {
    return async () => new Map([['envelope', nth((await redis.blpopBuffer(key, 5)) ?? [], 1)]]);
  }
  const subscriber = redis.duplicate();
  onTestFinished(() => subscriber.disconnect());
  const message = new Promise<Buffer>((resolve) => {
    subscriber.on('messageBuffer', (_channel: Buffer, body: Buffer) => resolve(body));
  });
  await subscriber.subscribe(key);
  return async () => new Map([['envelope', await message]]);
}
