/** Viewers: how soon a line reaches them, what a delivered line costs, and what they cost ingest. */
import {
  Audience,
  type AudienceJob,
  doorOf,
  finished,
  lastSeqsOf,
  withServer,
  withViewers,
} from '../support/audience.js';
import type { Bench } from '../support/bench.js';
import { planOf } from '../support/compared-run.js';
import type { Figures } from '../support/figures.js';
import { Load } from '../support/load.js';
import { cpuSeconds, peakRssBytes } from '../support/process-figures.js';
import type { BenchSettings } from '../support/settings.js';
import { DOORS, type Door } from '../support/viewer-protocol.js';
import { watchedLineSeconds } from '../support/watched-lines.js';

const GROUP = 'fanout';
const SECONDS = 5;
const SMOKE_SECONDS = 0.2;
/** Viewers of one session, and lines a second that are written to it. */
const AUDIENCES = [
  { viewers: 1, framesPerSecond: 10_000 },
  { viewers: 100, framesPerSecond: 1000 },
  { viewers: 1000, framesPerSecond: 50 },
];
const SMOKE_AUDIENCES = [{ viewers: 5, framesPerSecond: 1000 }];
/** Issue 5. */
const P50_MS_MAX = 5;
const P99_MS_MAX = 25;
const INGEST_COST_MAX = 1.05;
/** For the cost of viewers: ten of each session, half of them stalled until all is written. */
const SESSIONS = 10;
const VIEWERS = 100;
const SMOKE_VIEWERS = 10;
/** How often the plan is stored while it counts. */
const AGAIN = 3;
/** Of four times, for what is compared to hundredths. */
const ROUNDS = 5;
const LIVE = 'live';

export async function measureFanOut(bench: Bench): Promise<void> {
  const { settings } = bench;
  for (const { viewers, framesPerSecond } of settings.smoke ? SMOKE_AUDIENCES : AUDIENCES) {
    const job = `${viewers.toLocaleString('en')} viewers of one session, ${framesPerSecond.toLocaleString('en')} lines/s`;
    for (let run = 1; run <= settings.runs; run++) {
      for (const door of DOORS.filter((name) => bench.wants(name))) {
        bench.record({ group: GROUP, job, server: door }, run, await seeLive(settings, door, viewers, framesPerSecond));
      }
    }
    for (const door of DOORS) {
      bench.target({ group: GROUP, job, server: door }, 'viewP50Ms', { atMost: P50_MS_MAX });
      bench.target({ group: GROUP, job, server: door }, 'viewP99Ms', { atMost: P99_MS_MAX });
    }
  }
  await measureCost(bench);
}

async function seeLive(
  settings: BenchSettings,
  door: Door,
  viewers: number,
  framesPerSecond: number,
): Promise<Figures> {
  const frames = Math.ceil(framesPerSecond * (settings.smoke ? SMOKE_SECONDS : SECONDS));
  return withServer(settings, async (server) =>
    withViewers(settings, async (ask) => {
      // The session has to be there, and every code path warm, before anything counts.
      const warmup = 2;
      await ask({ type: 'write', port: server.grpcPort, sessionId: LIVE, frames: warmup, framesPerSecond: 1000 });
      await ask({ type: 'watch', ...doorOf(server, door), sessionIds: [LIVE], viewers, stalled: 0 });
      await new Promise((resolve) => setTimeout(resolve, settings.smoke ? 100 : 2000));
      const before = cpuSeconds(server.child.pid);
      const begun = performance.now();
      await ask({ type: 'write', port: server.grpcPort, sessionId: LIVE, frames, framesPerSecond });
      const { lines, latencyMs, reconnects } = await finished(ask, { [LIVE]: frames + warmup });
      const wallSeconds = (performance.now() - begun) / 1000;
      const cpu = cpuSeconds(server.child.pid) - before;
      return {
        viewP50Ms: latencyMs?.p50 ?? Number.NaN,
        viewP99Ms: latencyMs?.p99 ?? Number.NaN,
        viewMaxMs: latencyMs?.max ?? Number.NaN,
        linesDelivered: lines,
        linesDeliveredPerSecond: lines / wallSeconds,
        cpuMicrosecondsPerLine: (1e6 * cpu) / lines,
        reconnects,
        serverCpuSeconds: cpu,
        peakRssBytes: peakRssBytes(server.child.pid),
      };
    }),
  );
}

/** Ingest alone, beside viewers who take nothing, and beside half of them who take everything; and those alone. */
async function measureCost(bench: Bench): Promise<void> {
  const { settings } = bench;
  const viewers = settings.smoke ? SMOKE_VIEWERS : VIEWERS;
  const job = `${viewers} viewers, half of them stalled, of ${SESSIONS} sessions at full speed`;
  const load = new Load(settings.pinning?.generator ?? null);
  try {
    const plan = planOf(bench, { transport: 'batches', plan: { sessions: SESSIONS } }, 'bench');
    await load.prepare(plan, 'batches', settings.connections);
    const lastSeqs = lastSeqsOf(plan);
    for (let run = 1; run <= settings.runs; run++) {
      for (const door of DOORS.filter((name) => bench.wants(name))) {
        const costJob = { settings, load, plan, lastSeqs, door, viewers };
        bench.record({ group: GROUP, job, server: door }, run, await cost(costJob));
      }
    }
  } finally {
    load.kill();
  }
  for (const door of DOORS) {
    bench.target({ group: GROUP, job, server: door }, 'stalledIngestCost', { atMost: INGEST_COST_MAX });
  }
  bench.note(
    "viewers: the CPU of ingest beyond the viewers' bytes is a small difference of large figures, and stored bytes have another price than live " +
      'ones: it has no verdict. What the writer does because its session is watched, the one copy of the lines for all viewers included, is ' +
      'measured by itself.',
  );
}

/**
 * CPU seconds of servers that have stored the frames of the plan once and, after a pause, store them AGAIN times more, so that viewers
 * have joined, and are at the end or have full sockets, before anything counts. All pause alike: what begins after a pause costs more for
 * its first second. *Their bytes* cost what the same viewers take to read the same lines alone.
 */
async function cost(job: AudienceJob): Promise<Figures> {
  const once = job.lastSeqs;
  const all = Object.fromEntries(Object.entries(once).map(([id, lastSeq]) => [id, lastSeq * (1 + AGAIN)]));
  const takers = job.viewers / 2;
  const { alone, beside } = await besideStalled(job);
  const reading = await stored(job, async (audience) => {
    await audience.store(AGAIN);
    return audience.spent(async () => {
      await audience.watch(takers, 0);
      await finished(audience.ask, all);
    });
  });
  let lines = 0;
  let ingestSeconds = 0;
  const together = await stored(job, async (audience) => {
    await audience.watch(job.viewers, takers);
    await audience.ask({ type: 'reach', lastSeqs: once });
    await audience.paused();
    const during = await audience.spent(async () => {
      ingestSeconds = await audience.store(AGAIN);
      await audience.ask({ type: 'reach', lastSeqs: all });
    });
    await audience.allThere(job.viewers);
    await audience.ask({ type: 'wake' });
    ({ lines } = await finished(audience.ask, all));
    return during;
  });
  const watchedSeconds = await watchedLineSeconds({
    viewers: job.viewers / SESSIONS,
    stalled: takers / SESSIONS,
    lines: Math.ceil(job.plan.frames / SESSIONS),
  });
  const bytesCpu = (reading.cpu * AGAIN) / (1 + AGAIN);
  return {
    framesPerSecond: (job.plan.frames * AGAIN) / ingestSeconds,
    linesDelivered: lines,
    stalledIngestCost: beside / alone,
    watchedIngestCost: 1 + (watchedSeconds * job.plan.frames) / alone,
    viewedIngestCost: (together.cpu - bytesCpu) / (alone * AGAIN),
    ingestCpuSeconds: alone * AGAIN,
    readingCpuSeconds: bytesCpu,
    serverCpuSeconds: together.cpu,
    peakRssBytes: together.peakRssBytes,
  };
}

/**
 * Seconds of CPU of ingest alone, and beside viewers of whom none reads: of two servers in turns, the plan each time, since what a frame
 * costs changes by a tenth from one minute to the next.
 */
async function besideStalled(job: AudienceJob): Promise<{ alone: number; beside: number }> {
  const rounds = job.settings.smoke ? 1 : ROUNDS;
  return stored(job, (alone) =>
    stored(job, async (beside) => {
      await beside.watch(job.viewers, job.viewers);
      await beside.paused();
      const cpu = { alone: 0, beside: 0 };
      const again = async (name: 'alone' | 'beside', audience: Audience): Promise<void> => {
        cpu[name] += (await audience.spent(() => audience.store(1))).cpu / (2 * rounds);
      };
      for (let round = 0; round < rounds; round++) {
        await again('alone', alone);
        await again('beside', beside);
        await again('beside', beside);
        await again('alone', alone);
      }
      await beside.allThere(job.viewers);
      return cpu;
    }),
  );
}

/** A server that has stored the plan's frames once, for `work`. */
function stored<Result>(job: AudienceJob, work: (audience: Audience) => Promise<Result>): Promise<Result> {
  return withServer(job.settings, (server, logDir) =>
    withViewers(job.settings, async (ask) => {
      const audience = new Audience(job, server, logDir, ask);
      await audience.store(1);
      return work(audience);
    }),
  );
}
