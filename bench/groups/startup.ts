/** From the start of the process until it is ready: with many segments in flight, and with very many finished ones. */
import { linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Bench, progress } from '../support/bench.js';
import { planOf } from '../support/compared-run.js';
import { startServer } from '../support/contenders.js';
import type { Figures } from '../support/figures.js';
import { logweirLine } from '../support/line-formats.js';
import { Load } from '../support/load.js';
import { cpuSeconds, peakRssBytes } from '../support/process-figures.js';
import type { RowKey } from '../support/report.js';
import { inLogDir, orLastWords, stopWell } from '../support/server-run.js';
import { checkStored } from '../support/stored-check.js';
import { logweirSessions } from '../support/stored-sessions.js';

const GROUP = 'startup';
const ACTIVE_SEGMENTS = 10_000;
const FINISHED_SEGMENTS = 1_000_000;
const SMOKE_SEGMENTS = 200;
const SEGMENTS_PER_SESSION = 1000;
/** ext4 allows 65,000 names of a file. */
const LINKS_MAX = 60_000;
/** Issue 4: finished segments change it by less than a tenth. */
const FINISHED_SHARE_MAX = 1.1;
/** Nothing is sealed for its age while it is measured. */
const ENVIRONMENT = { LOG_COMPRESSION: 'none', LOG_IDLE_SECONDS: '86400', LOG_MAX_AGE_SECONDS: '86400' };

export async function measureStartUp(bench: Bench): Promise<void> {
  const { settings } = bench;
  const active = settings.smoke ? SMOKE_SEGMENTS : ACTIVE_SEGMENTS;
  const finished = settings.smoke ? SMOKE_SEGMENTS : FINISHED_SEGMENTS;
  await inLogDir(settings, async (empty) =>
    inLogDir(settings, async (full) =>
      inLogDir(settings, async (busy) => {
        makeFinished(full, finished);
        const bare = rowOf('nothing stored');
        const stored = rowOf(`${finished.toLocaleString('en')} finished segments`);
        const inFlight = rowOf(`${active.toLocaleString('en')} active segments, after kill -9`);
        await makeActive(bench, busy, active);
        for (let run = 1; run <= settings.runs; run++) {
          bench.record(bare, run, await start(bench, empty));
          bench.record(stored, run, await start(bench, full));
          bench.record(inFlight, run, await start(bench, busy));
        }
        for (const figure of ['startSeconds', 'startCpuSeconds'] as const) {
          bench.ratio(stored, figure, [bare], 'of nothing stored', { atMost: FINISHED_SHARE_MAX });
        }
        checkStored(logweirSessions(busy), [activePlan(bench, active)], logweirLine);
      }),
    ),
  );
  bench.note(
    'start-up: the active segments were written by a server that was killed; the finished ones are names that are hard links to one ' +
      'small segment and one manifest, a thousand a session, since start-up must not look at them.',
  );
}

function rowOf(job: string): RowKey {
  return { group: GROUP, job, server: 'logweir' };
}

async function start(bench: Bench, logDir: string): Promise<Figures> {
  const begun = performance.now();
  const server = await startLogweir(bench, logDir);
  return orLastWords('logweir', server, async () => {
    const startSeconds = (performance.now() - begun) / 1000;
    const figures = {
      startSeconds,
      startCpuSeconds: cpuSeconds(server.child.pid),
      peakRssBytes: peakRssBytes(server.child.pid),
    };
    await stopWell(server);
    return figures;
  });
}

function startLogweir({ settings }: Bench, logDir: string) {
  return startServer('logweir', {
    logDir,
    environment: { ...ENVIRONMENT, ...settings.environment },
    cores: settings.pinning?.server ?? null,
    profileDirectory: settings.profileDirectory,
  });
}

function activePlan(bench: Bench, sessions: number) {
  return planOf(bench, { transport: 'single', plan: { sessions, frames: sessions * 2 } }, 'bench');
}

async function makeActive(bench: Bench, logDir: string, sessions: number): Promise<void> {
  const plan = activePlan(bench, sessions);
  const load = new Load(bench.settings.pinning?.generator ?? null);
  try {
    await load.prepare(plan, 'single', bench.settings.connections);
    const server = await startLogweir(bench, logDir);
    await orLastWords('logweir', server, async () => {
      await load.replay({ transport: 'single', sessionPrefix: plan.sessionPrefix, port: server.grpcPort, inFlight: 1 });
    });
  } finally {
    load.kill();
  }
}

function makeFinished(logDir: string, segments: number): void {
  progress(`${GROUP}: naming ${segments.toLocaleString('en')} finished segments`);
  let source = '';
  for (let at = 0; at < segments; at++) {
    if (at % LINKS_MAX === 0) {
      source = join(logDir, `source-${at}`);
      writeFileSync(`${source}.log.gz`, gzipSync('{"seq":1}\n'));
      writeFileSync(`${source}.json`, '{}\n');
    }
    const session = join(logDir, 'sessions', `finished-${Math.floor(at / SEGMENTS_PER_SESSION)}`);
    if (at % SEGMENTS_PER_SESSION === 0) {
      mkdirSync(session, { recursive: true });
    }
    const seq = String(1 + (at % SEGMENTS_PER_SESSION)).padStart(16, '0');
    const name = join(session, `${seq}-${seq}_20261121T100000Z`);
    linkSync(`${source}.log.gz`, `${name}.log.gz`);
    linkSync(`${source}.json`, `${name}.json`);
  }
}
