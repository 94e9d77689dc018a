import { randomBytes } from 'node:crypto';
import { appendFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, describe, expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { storedLines } from '../support/stored.js';
import { amount, measured } from './amounts.js';
import { JournalAgent } from './journal-agent.js';
import { health, metric, readiness } from './observe.js';
import { type SmallDisk, smallDisk, smallDisksWork } from './small-disk.js';

const works = await smallDisksWork();
/** The promise: this long after space came back frames are stored again. */
const RESUME_SECONDS_MAX = 5;
/** Of one test that needs up to seven. */
const ATTEMPTS_MAX = 30;
const SLOW = { timeout: 60_000, interval: 20 };

/** Where a seal that met the full disk was found: before the compressed file, the manifest, the record; or done. */
const AFTER_RENAME = ['sealed', 'compressed', 'manifest', 'record, no raw file'];

const done = { 'times filled': 0, 'points of sealing': 0, 'slowest resume, ms': 0 };
afterAll(() => {
  if (done['times filled'] > 0) {
    measured('disk full', done);
  }
});

const environment = (disk: SmallDisk, more: Record<string, string> = {}): Record<string, string> => ({
  LOG_DIR: join(disk.inside, 'logs'),
  // Nobody is there: every finished segment has to leave its record.
  REDIS_URL: 'redis://127.0.0.1:1',
  ...more,
});

/** Gives the space back and waits until frames can be stored again. */
async function resumed(disk: SmallDisk, http: string): Promise<void> {
  const since = performance.now();
  disk.free();
  await expect.poll(async () => (await readiness(http)).ready, SLOW).toBe(true);
  const ms = Math.round(performance.now() - since);
  done['slowest resume, ms'] = Math.max(done['slowest resume, ms'], ms);
  expect(ms / 1000).toBeLessThan(RESUME_SECONDS_MAX);
}

const unique = (bytes: number) => {
  const contents: string[] = [];
  return (count: number): string => {
    contents[count] ??= randomBytes(bytes).toString('base64');
    return contents[count];
  };
};

describe.skipIf(!works)('on a full disk', () => {
  test.each([
    ['bytes', (disk: SmallDisk) => disk.leavePages(0)],
    ['inodes', (disk: SmallDisk) => disk.leaveInodes(0)],
  ])('no %s: RESOURCE_EXHAUSTED with a retry hint, unready, and nothing stored is lost', async (what, fill) => {
    await using disk = await smallDisk({ bytes: 1 << 20, inodes: 600 });
    await using server = await startServer(environment(disk), disk.through);
    using client = new LogClient(server.grpc);
    const logDir = join(disk.path, 'logs');
    const agents: JournalAgent[] = [];
    const rounds = amount(3, 20);
    for (let round = 0; round < rounds; round++) {
      const options = { sessionId: `s${round}`, producerId: 'p', framesPerBatch: 3, content: unique(1000) };
      const agent = new JournalAgent(options);
      agents.push(agent);
      expect(await agent.call(server.grpc, 6)).toBe(true);
      fill(disk);
      done['times filled']++;
      // Without a byte the open session is stopped, without an inode a new one is.
      const stopped = what === 'bytes' ? agent : new JournalAgent({ ...options, sessionId: `t${round}` });
      if (stopped !== agent) {
        agents.push(stopped);
        expect(await agent.call(server.grpc, 9)).toBe(true);
      }
      expect(await stopped.call(server.grpc, 30)).toBe(false);
      expect(stopped.endings.at(-1)).toMatch(new RegExp(`^${status.RESOURCE_EXHAUSTED} the disk is full`));

      const answer = await client.write([{ session_id: stopped.options.sessionId, content: 'x' }]);
      expect(answer).toMatchObject({ ok: false, code: status.RESOURCE_EXHAUSTED });
      const trailer = answer.ok ? '' : String(answer.trailers.get('grpc-status-details-bin')[0]);
      expect(trailer).toContain('type.googleapis.com/google.rpc.RetryInfo');

      expect(await readiness(server.http)).toEqual({ ready: false, reasons: ['the disk is full'] });
      await expect.poll(() => health(server.grpc), SLOW).toBe('NOT_SERVING');
      expect(await metric(server.http, 'logweir_disk_errors_total', 'code="ENOSPC"')).toBeGreaterThan(0);
      for (const { options: of, acknowledged } of agents) {
        const lines = await storedLines(logDir, of.sessionId);
        expect(lines.filter((line) => line['producer_id'] === 'p').length).toBeGreaterThanOrEqual(acknowledged);
      }

      await resumed(disk, server.http);
      await expect.poll(() => health(server.grpc), SLOW).toBe('SERVING');
      for (const one of agents) {
        expect(await one.call(server.grpc, one.sent + 6)).toBe(true);
        one.check(await storedLines(logDir, one.options.sessionId));
      }
    }
    const said = server.log().split('\n');
    expect(said.filter((line) => line.includes("frames can't be stored: the disk is full"))).toHaveLength(rounds);
    expect(said.filter((line) => line.includes('frames are stored again'))).toHaveLength(rounds);
    expect(await server.end('SIGTERM')).toBe(0);
    for (const one of agents) {
      one.check(await storedLines(logDir, one.options.sessionId));
    }
  });

  /** Everything that a seal makes takes an inode, and most of it a page: with a few left it stops behind as many steps. */
  test.each([
    ['pages', 4, (disk: SmallDisk, left: number) => disk.leavePages(left), AFTER_RENAME],
    ['inodes', 6, (disk: SmallDisk, left: number) => disk.leaveInodes(left), ['active, no raw file', ...AFTER_RENAME]],
  ])('sealing with a few %s left waits where it is, and loses nothing', async (_what, most, leave, stops) => {
    await using disk = await smallDisk({ bytes: 256 * 1024, inodes: 600 });
    const idleSeconds = 2;
    await using server = await startServer(environment(disk, { LOG_IDLE_SECONDS: `${idleSeconds}` }), disk.through);
    const logDir = join(disk.path, 'logs');
    const stoppedAt = new Set<string>();
    const agents: JournalAgent[] = [];
    for (let left = 0, attempt = 0; left <= most; attempt++) {
      const name = `s${attempt}`;
      const agent = new JournalAgent({ sessionId: name, producerId: 'p', framesPerBatch: 3 });
      agents.push(agent);
      const since = performance.now();
      expect(await agent.call(server.grpc, 9)).toBe(true);
      leave(disk, left);
      done['times filled']++;
      // On a slow machine the seal can have begun, and taken a page, before the disk was full: then once more.
      if (performance.now() - since > 1000 * idleSeconds) {
        expect(attempt).toBeLessThan(ATTEMPTS_MAX);
        await resumed(disk, server.http);
        continue;
      }
      done['points of sealing']++;
      const failures = (): Promise<number | undefined> => metric(server.http, 'logweir_disk_errors_total');
      const before = (await failures()) ?? 0;
      const finished = async (): Promise<boolean> => (await stepsOf(logDir, name)) === 'record, no raw file';
      await expect.poll(async () => (await finished()) || ((await failures()) ?? 0) > before, SLOW).toBe(true);
      stoppedAt.add(await stepsOf(logDir, name));
      agent.check(await storedLines(logDir, name));
      await resumed(disk, server.http);
      await expect.poll(finished, SLOW).toBe(true);
      agent.check(await storedLines(logDir, name));
      expect(await manifestOf(logDir, name)).toMatchObject({ frames: 9, reason: 'idle', last_seq: 9 });
      left++;
    }
    expect([...stoppedAt].toSorted()).toEqual([...stops].toSorted());
    for (const agent of agents) {
      expect(await agent.call(server.grpc, 12)).toBe(true);
      agent.check(await storedLines(logDir, agent.options.sessionId));
    }
    expect(await server.end('SIGTERM')).toBe(0);
  });
});

test.skipIf(!works)(
  'a start that has to mend something on a full disk says so in one sentence, and works with space',
  async () => {
    await using disk = await smallDisk({ bytes: 256 * 1024, inodes: 600 });
    const logDir = join(disk.path, 'logs');
    const agent = new JournalAgent({ sessionId: 's', producerId: 'p', framesPerBatch: 3 });
    {
      await using server = await startServer(environment(disk), disk.through);
      expect(await agent.call(server.grpc, 9)).toBe(true);
    }
    // The end of a write that a kill cut off: it has to be kept before it can go.
    await appendFile(join(logDir, 'active', 's.logtmp'), '{"seq":10,"time":');
    disk.leavePages(0);
    const refused = await startServer(environment(disk), disk.through).then(
      () => 'started',
      (error: Error) => error.message,
    );
    expect(refused).toContain('ended with 1 before');
    expect(refused.split('\n').slice(1)).toEqual([
      `logweir: LOG_DIR ${join(disk.inside, 'logs')} can't be recovered: the disk is full (ENOSPC: no space left on device, write); nothing is lost, start again once that is mended`,
      '',
    ]);
    disk.free();
    await using server = await startServer(environment(disk), disk.through);
    expect(await agent.call(server.grpc, 12)).toBe(true);
    agent.check(await storedLines(logDir, 's'));
    expect(await readdir(join(logDir, 'quarantine'))).toHaveLength(1);
  },
);

/** How far the one segment of a session has come. */
async function stepsOf(logDir: string, name: string): Promise<string> {
  const list = (room: string): Promise<string[]> => readdir(join(logDir, room)).catch(() => []);
  const [active, raw, stored, outbox] = [
    await list('active'),
    await list(join('sealing', name)),
    await list(join('sessions', name)),
    await list('outbox'),
  ];
  const recorded = outbox.some((file) => file.startsWith(`rotation_${name}_`) && file.endsWith('.json'));
  const furthest = [
    recorded && 'record',
    stored.some((file) => file.endsWith('.json')) && 'manifest',
    stored.some((file) => file.endsWith('.log.gz')) && 'compressed',
    raw.length > 0 && 'sealed',
    active.includes(`${name}.logtmp`) && 'active',
  ].find((step) => step !== false);
  return `${furthest ?? 'nothing'}${raw.length === 0 ? ', no raw file' : ''}`;
}

async function manifestOf(logDir: string, name: string): Promise<unknown> {
  const directory = join(logDir, 'sessions', name);
  const file = (await readdir(directory)).find((entry) => entry.endsWith('.json')) ?? '';
  return JSON.parse(await readFile(join(directory, file), 'utf8'));
}
