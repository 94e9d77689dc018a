import { randomInt } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { Fleet } from '../support/fleet.js';
import { redisAvailable, startRedis } from '../support/redis.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

const SESSIONS = 100;

async function checkAll(fleet: Fleet, logDir: string, framesPerSession: number): Promise<void> {
  for (let session = 0; session < SESSIONS; session++) {
    const lines = await storedLines(logDir, `session-${session}`);
    fleet.check(session, lines);
    expect(lines.length).toBe(framesPerSession);
  }
}

/** Every finished segment, by its event id. */
async function finishedSegments(logDir: string): Promise<string[]> {
  const ids: string[] = [];
  for (const session of await readdir(join(logDir, 'sessions'))) {
    for (const name of (await readdir(join(logDir, 'sessions', session))).filter((file) => file.endsWith('.json'))) {
      const manifest = JSON.parse(await readFile(join(logDir, 'sessions', session, name), 'utf8')) as { id: string };
      ids.push(`rotation:${manifest.id}`);
    }
  }
  return ids.toSorted();
}

describe('a fleet', () => {
  test('100 sessions × 10,000 frames over 8 streams at once land complete, in order, once', {
    timeout: 300_000,
  }, async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({
      LOG_DIR: directory.path,
      LOG_COMPRESSION: 'none',
      LOG_MAX_SIZE_BYTES: '300000',
    });
    const fleet = new Fleet({ sessions: SESSIONS, framesPerSession: 10_000, streams: 8, callFrames: 125_000 });
    await fleet.run(() => Promise.resolve(server.grpc));
    expect(fleet.acknowledged).toEqual(Array.from({ length: 8 }, () => 125_000));
    expect(await server.end('SIGTERM')).toBe(0);
    await checkAll(fleet, directory.path, 10_000);
    // Without a client seq and with nothing lost there is no gap.
    expect((await storedLines(directory.path, 'session-7')).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 10_000 }, (_, index) => index + 1),
    );
  });

  test.skipIf(!redisAvailable)(
    'kill -9 in the middle of that, 20 times over: nothing acknowledged is lost, nothing is stored or announced twice, no start needs a hand',
    { timeout: 400_000 },
    async () => {
      await using directory = await temporaryDirectory();
      const redis = await startRedis();
      const start = (): Promise<ServerProcess> =>
        startServer({
          LOG_DIR: directory.path,
          LOG_MAX_SIZE_BYTES: '100000',
          LOG_GZIP_LEVEL: '1',
          REDIS_URL: redis.url,
          LOG_LEVEL: 'info',
        });
      let server = start();
      const fleet = new Fleet({ sessions: SESSIONS, framesPerSession: 10_000, streams: 8, callFrames: 2500 });
      const written = fleet.run(async () => (await server).grpc);
      let done = false;
      void written.then(() => {
        done = true;
      });
      let kills = 0;
      while (kills < 20 && !done) {
        await new Promise((resolve) => setTimeout(resolve, randomInt(100, 700)));
        const running = await server;
        server = running.end('SIGKILL').then(start);
        kills++;
      }
      await written;
      expect(kills).toBe(20);
      expect(fleet.retries).toBeGreaterThan(0);

      const running = await server;
      await expect.poll(() => readdir(join(directory.path, 'sealing')), { timeout: 120_000 }).toEqual([]);
      await expect.poll(() => readdir(join(directory.path, 'outbox')), { timeout: 60_000 }).toEqual([]);
      expect(await running.end('SIGTERM')).toBe(0);
      await checkAll(fleet, directory.path, 10_000);

      const client = new Redis(redis.url);
      const entries = await client.xrange('logweir:rotations', '-', '+');
      await client.quit();
      await redis.stop();
      const announced = entries.map(([, fields]) => fields[fields.indexOf('id') + 1] ?? '').toSorted();
      expect(announced).toEqual(await finishedSegments(directory.path));
      expect(announced.length).toBeGreaterThan(100);
    },
  );
});
