import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseManifest } from '../../src/segment/manifest-store.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';
import { amount, measured } from './amounts.js';
import { JournalAgent } from './journal-agent.js';
import { metric } from './observe.js';

const library = readdirSync('/usr/lib')
  .map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));
if (library === undefined) {
  console.warn('SKIPPED: tests of a wall clock that jumps, because there is no libfaketime. apt-get install faketime');
}

const HOUR = 3600;
const YEAR = 365 * 24 * HOUR;
/** Seconds beside the real time; the last but one is about 1970. */
const JUMPS = [HOUR, -HOUR, 10 * YEAR, -10 * YEAR, 24 * HOUR, 0, -56 * YEAR, 70 * YEAR];
const SLOW = { timeout: 120_000, interval: 100 };

const done = { jumps: 0, 'jumps across a restart': 0, 'segments sealed': 0 };
afterAll(() => {
  if (done.jumps > 0) {
    measured('clock jumps', done);
  }
});

/** A wall clock that this process moves while the server runs; the monotonic one stays. */
function wallClock(directory: string): { environment: Record<string, string>; jump(seconds: number): void } {
  const file = join(directory, 'offset');
  const jump = (seconds: number): void => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  jump(0);
  const environment = {
    LD_PRELOAD: library ?? '',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_NO_CACHE: '1',
    FAKETIME_TIMESTAMP_FILE: file,
  };
  return { environment, jump };
}

const seals = async (server: ServerProcess, reason: string): Promise<number> =>
  (await metric(server.http, 'logweir_seals_total', `reason="${reason}"`)) ?? 0;

describe.skipIf(library === undefined)('a wall clock that jumps', () => {
  test('while the server runs: segments are sealed by their true age, neither early nor never', async () => {
    await using directory = await temporaryDirectory();
    const clock = wallClock(directory.path);
    const logDir = join(directory.path, 'logs');
    const maxAgeSeconds = 2;
    const environment = { LOG_DIR: logDir, LOG_MAX_AGE_SECONDS: String(maxAgeSeconds), ...clock.environment };
    await using server = await startServer(environment);
    const agent = new JournalAgent({ sessionId: 's', producerId: 'p', framesPerBatch: 2 });
    const wanted = amount(4, 100);
    const since = performance.now();
    for (let round = 0; (await seals(server, 'age')) < wanted; round++) {
      clock.jump(JUMPS[round % JUMPS.length] ?? 0);
      done.jumps++;
      expect(await agent.call(server.grpc, agent.sent + 4)).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const sealed = await seals(server, 'age');
    expect(sealed).toBeLessThanOrEqual((performance.now() - since) / 1000 / maxAgeSeconds);
    expect(await seals(server, 'idle')).toBe(0);
    await checkStored(logDir, agent, sealed);
    expect(new Set((await storedLines(logDir, 's')).map(({ time }) => time.slice(0, 4))).size).toBeGreaterThan(3);
    expect(await server.end('SIGTERM')).toBe(0);
  });

  test('a silent session is sealed when it was silent for long enough, whatever the clock says', async () => {
    await using directory = await temporaryDirectory();
    const clock = wallClock(directory.path);
    const logDir = join(directory.path, 'logs');
    const idleSeconds = 4;
    await using server = await startServer({
      LOG_DIR: logDir,
      LOG_IDLE_SECONDS: String(idleSeconds),
      ...clock.environment,
    });
    const agents: JournalAgent[] = [];
    for (const jump of JUMPS) {
      const agent = new JournalAgent({ sessionId: `s${agents.length}`, producerId: 'p', framesPerBatch: 2 });
      agents.push(agent);
      const since = performance.now();
      expect(await agent.call(server.grpc, 4)).toBe(true);
      clock.jump(jump);
      done.jumps++;
      await expect.poll(() => readdir(join(logDir, 'active')), SLOW).toContain(`s${agents.length - 1}.logtmp`);
      // The first ones may be due by now; this one was silent for less.
      const silentSeconds = (performance.now() - since) / 1000;
      const active = await readdir(join(logDir, 'active'));
      if ((performance.now() - since) / 1000 < idleSeconds) {
        expect(active, `silent for ${silentSeconds} s`).toContain(`s${agents.length - 1}.logtmp`);
      }
    }
    await expect.poll(() => seals(server, 'idle'), SLOW).toBe(agents.length);
    for (const agent of agents) {
      await expect.poll(() => manifests(logDir, agent.options.sessionId), SLOW).toHaveLength(1);
      await checkStored(logDir, agent, 1);
    }
  });

  test('across restarts: seq goes on, no frame is lost or twice, and every segment is sealed in the end', async () => {
    await using directory = await temporaryDirectory();
    const clock = wallClock(directory.path);
    const logDir = join(directory.path, 'logs');
    const environment = { LOG_DIR: logDir, ...clock.environment };
    const agent = new JournalAgent({ sessionId: 's', producerId: 'p', framesPerBatch: 2 });
    for (const [round, jump] of JUMPS.entries()) {
      clock.jump(jump);
      done.jumps++;
      done['jumps across a restart']++;
      await using server = await startServer(environment);
      expect(await agent.call(server.grpc, agent.sent + 4)).toBe(true);
      agent.check(await storedLines(logDir, 's'));
      await server.end(round % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
    }
    await using server = await startServer({ ...environment, LOG_IDLE_SECONDS: '1' });
    await expect.poll(() => readdir(join(logDir, 'active')), SLOW).toEqual([]);
    await expect.poll(() => readdir(join(logDir, 'sealing')), SLOW).toEqual([]);
    await checkStored(logDir, agent, 1);
    expect(await agent.call(server.grpc, agent.sent + 4)).toBe(true);
    agent.check(await storedLines(logDir, 's'));
  });
});

async function manifests(logDir: string, session: string): Promise<string[]> {
  const names = await readdir(join(logDir, 'sessions', session)).catch(() => []);
  return names.filter((name) => name.endsWith('.json')).toSorted();
}

/** Everything once and in order; names sort by seq, and each manifest says what its segment holds. */
async function checkStored(logDir: string, agent: JournalAgent, segmentsLeast: number): Promise<void> {
  const { sessionId } = agent.options;
  await expect.poll(() => readdir(join(logDir, 'sealing')), SLOW).toEqual([]);
  const lines = await storedLines(logDir, sessionId);
  agent.check(lines);
  const names = await manifests(logDir, sessionId);
  expect(names.length).toBeGreaterThanOrEqual(segmentsLeast);
  done['segments sealed'] += names.length;
  let next = 1;
  let previous: string | null = null;
  for (const name of names) {
    const manifest = parseManifest(await readFile(join(logDir, 'sessions', sessionId, name)));
    expect(manifest).toMatchObject({ first_seq: next, gaps: 0, prev_sha256: previous });
    const stored = lines.filter(({ seq }) => seq >= manifest.first_seq && seq <= manifest.last_seq);
    expect([manifest.first_time, manifest.last_time]).toEqual([stored[0]?.time, stored.at(-1)?.time]);
    expect(name).toContain(`_${manifest.sealed_at.replace(/[-:]/g, '')}.json`);
    next = manifest.last_seq + 1;
    previous = manifest.sha256;
  }
}
