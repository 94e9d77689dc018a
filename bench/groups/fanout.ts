/** Viewers: how soon a line reaches them, what a delivered line costs, and what they cost ingest. */
import { fileURLToPath } from 'node:url';
import type { Bench } from '../support/bench.js';
import { planOf } from '../support/compared-run.js';
import { type RunningServer, startServer } from '../support/contenders.js';
import type { Figures } from '../support/figures.js';
import { type FramePlan, framesOfStream, sessionId, sessionOf } from '../support/frame-plan.js';
import { Load } from '../support/load.js';
import { NodeChild } from '../support/node-child.js';
import { cpuSeconds, peakRssBytes } from '../support/process-figures.js';
import { inLogDir, orLastWords, settle, stopWell } from '../support/server-run.js';
import type { BenchSettings } from '../support/settings.js';
import { DOORS, type Door, type ViewerAnswer, type ViewerCommand } from '../support/viewer-protocol.js';

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
const LIVE = 'live';

export async function measureFanOut(bench: Bench): Promise<void> {
  const { settings } = bench;
  for (const { viewers, framesPerSecond } of settings.smoke ? SMOKE_AUDIENCES : AUDIENCES) {
    const job = `${viewers.toLocaleString('en')} viewers of one session, ${framesPerSecond.toLocaleString('en')} lines/s`;
    for (let run = 1; run <= settings.runs; run++) {
      for (const door of DOORS.filter((name) => bench.wants(name))) {
        bench.record(
          { group: GROUP, job, server: door },
          run,
          await audience(settings, door, viewers, framesPerSecond),
        );
      }
    }
    for (const door of DOORS) {
      bench.target({ group: GROUP, job, server: door }, 'viewP50Ms', { atMost: P50_MS_MAX });
      bench.target({ group: GROUP, job, server: door }, 'viewP99Ms', { atMost: P99_MS_MAX });
    }
  }
  await measureCost(bench);
}

async function audience(
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
    for (let run = 1; run <= settings.runs; run++) {
      for (const door of DOORS.filter((name) => bench.wants(name))) {
        bench.record({ group: GROUP, job, server: door }, run, await cost({ settings, load, plan, door, viewers }));
      }
    }
  } finally {
    load.kill();
  }
  for (const door of DOORS) {
    bench.target({ group: GROUP, job, server: door }, 'stalledIngestCost', { atMost: INGEST_COST_MAX });
    bench.target({ group: GROUP, job, server: door }, 'viewedIngestCost', { atMost: INGEST_COST_MAX });
  }
}

interface CostJob {
  readonly settings: BenchSettings;
  readonly load: Load;
  readonly plan: FramePlan;
  readonly door: Door;
  readonly viewers: number;
}

/**
 * CPU seconds of servers that have stored the frames of the plan once and store them again, so that viewers have joined, and are at the
 * end or have full sockets, before anything counts. *Their bytes* cost what the same viewers take to read the same lines alone.
 */
async function cost(job: CostJob): Promise<Figures> {
  const once = lastSeqsOf(job.plan);
  const twice = Object.fromEntries(Object.entries(once).map(([id, lastSeq]) => [id, lastSeq * 2]));
  const takers = job.viewers / 2;
  const alone = await secondIngest(job, (_ask, replayed) => replayed());
  const besideStalled = await secondIngest(job, async (ask, replayed, watch) => {
    await ask(watch(job.viewers, job.viewers));
    await socketsFilled(job.settings);
    return replayed();
  });
  const reading = await secondIngest(job, async (ask, replayed, watch, spent) => {
    await replayed();
    const both = await spent(async () => {
      await ask(watch(takers, 0));
      await finished(ask, twice);
    });
    return { ...both, cpu: both.cpu / 2 };
  });
  let lines = 0;
  const together = await secondIngest(job, async (ask, replayed, watch, spent) => {
    await ask(watch(job.viewers, takers));
    await ask({ type: 'reach', lastSeqs: once });
    await socketsFilled(job.settings);
    const during = await spent(async () => {
      await replayed();
      await ask({ type: 'reach', lastSeqs: twice });
    });
    await ask({ type: 'wake' });
    ({ lines } = await finished(ask, twice));
    return during;
  });
  return {
    framesPerSecond: job.plan.frames / together.wallSeconds,
    linesDelivered: lines,
    stalledIngestCost: besideStalled.cpu / alone.cpu,
    viewedIngestCost: (together.cpu - reading.cpu) / alone.cpu,
    ingestCpuSeconds: alone.cpu,
    readingCpuSeconds: reading.cpu,
    serverCpuSeconds: together.cpu,
    peakRssBytes: together.peakRssBytes,
  };
}

interface Spent {
  readonly cpu: number;
  readonly wallSeconds: number;
  readonly peakRssBytes: number;
}

/** A server that has stored the plan's frames once, for `work`, which has them stored again by `replayed`. */
async function secondIngest(
  { settings, load, plan, door }: CostJob,
  work: (
    ask: Ask,
    replayed: () => Promise<Spent>,
    watch: (viewers: number, stalled: number) => ViewerCommand,
    spent: (work: () => Promise<unknown>) => Promise<Spent>,
  ) => Promise<Spent>,
): Promise<Spent> {
  const { sessionPrefix } = plan;
  return withServer(settings, (server, logDir) => {
    const { pid } = server.child;
    const replay = async (): Promise<void> => {
      await load.replay({ transport: 'batches', sessionPrefix, port: server.grpcPort, inFlight: settings.inFlight });
      await settle(pid, logDir);
    };
    const spent = async (spending: () => Promise<unknown>): Promise<Spent> => {
      const [before, begun] = [cpuSeconds(pid), performance.now()];
      await spending();
      const wallSeconds = (performance.now() - begun) / 1000;
      return { cpu: Math.max(0.01, cpuSeconds(pid) - before), wallSeconds, peakRssBytes: peakRssBytes(pid) };
    };
    const watch = (viewers: number, stalled: number): ViewerCommand => {
      const sessionIds = Object.keys(lastSeqsOf(plan));
      return { type: 'watch', ...doorOf(server, door), sessionIds, viewers, stalled };
    };
    return withViewers(settings, async (ask) => {
      await replay();
      return work(ask, () => spent(replay), watch, spent);
    });
  });
}

/** Nothing tells the kernel's buffers from full ones but that nothing is written to them any more. */
function socketsFilled(settings: BenchSettings): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, settings.smoke ? 200 : 4000));
}

function doorOf({ grpcPort, httpPort }: RunningServer, door: Door): { door: Door; port: number } {
  return { door, port: door === 'sse' ? (httpPort ?? Number.NaN) : grpcPort };
}

/** How many lines each session has in the end. */
function lastSeqsOf(plan: FramePlan): Record<string, number> {
  const lastSeqs: Record<string, number> = {};
  for (let stream = 0; stream < plan.streams; stream++) {
    const frames = framesOfStream(plan, stream);
    for (let index = 0; index < frames; index++) {
      const id = sessionId(plan, sessionOf(plan, stream, index));
      lastSeqs[id] = (lastSeqs[id] ?? 0) + 1;
    }
  }
  return lastSeqs;
}

type Ask = (command: ViewerCommand) => Promise<ViewerAnswer>;

async function finished(
  ask: Ask,
  lastSeqs: Readonly<Record<string, number>>,
): Promise<ViewerAnswer & { type: 'finished' }> {
  const answer = await ask({ type: 'finish', lastSeqs });
  if (answer.type !== 'finished') {
    throw new Error(`the viewers: ${answer.type}`);
  }
  return answer;
}

/** Where the generator has its place, so that servers are not disturbed by it more than by any other. */
async function withViewers<Result>(settings: BenchSettings, work: (ask: Ask) => Promise<Result>): Promise<Result> {
  const command = [fileURLToPath(new URL('../support/viewers.js', import.meta.url))];
  const child = new NodeChild({ command, cores: settings.pinning?.generator ?? null, messages: true });
  try {
    return await work(async (asked) => {
      const answer = await child.ask<ViewerAnswer>(asked);
      if (answer.type === 'failed') {
        throw new Error(`the viewers: ${answer.message}`);
      }
      return answer;
    });
  } finally {
    child.kill();
  }
}

async function withServer<Result>(
  settings: BenchSettings,
  work: (server: RunningServer, logDir: string) => Promise<Result>,
): Promise<Result> {
  return inLogDir(settings, async (logDir) => {
    const server = await startServer('logweir', {
      logDir,
      environment: { LOG_COMPRESSION: 'none', ...settings.environment },
      cores: settings.pinning?.server ?? null,
      profileDirectory: settings.profileDirectory,
    });
    return orLastWords('logweir', server, async () => {
      const result = await work(server, logDir);
      await stopWell(server);
      return result;
    });
  });
}
