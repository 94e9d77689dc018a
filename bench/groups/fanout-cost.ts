/** What viewers cost ingest: those who stall, those who read, and what the writer does because somebody looks. */
import { Audience, type AudienceJob, finished, lastSeqsOf, withServer, withViewers } from '../support/audience.js';
import type { Bench } from '../support/bench.js';
import { planOf } from '../support/compared-run.js';
import type { Figures } from '../support/figures.js';
import { Load } from '../support/load.js';
import type { BenchSettings } from '../support/settings.js';
import { DOORS } from '../support/viewer-protocol.js';
import { watchedLineSeconds } from '../support/watched-lines.js';

/** Issue 5. */
const INGEST_COST_MAX = 1.05;
/** Ten viewers of each session; who is stalled is so until all is written. */
const SESSIONS = 10;
const VIEWERS = 100;
const SMOKE_VIEWERS = 10;
/** How often the plan is stored beside both halves of them. */
const AGAIN = 3;
/** Of four turns, for what is compared to hundredths. */
const ROUNDS = 5;
/** As many as a server needs until V8 has compiled what it will. */
const WATCHED_LINES = 500_000;
const SMOKE_WATCHED_LINES = 2000;

export async function measureViewersCost(bench: Bench, group: string): Promise<void> {
  const { settings } = bench;
  const viewers = settings.smoke ? SMOKE_VIEWERS : VIEWERS;
  const takers = viewers / 2;
  const where = `of ${SESSIONS} sessions at full speed`;
  const stalling = `${viewers} viewers who take nothing, ${where}`;
  const reading = `${takers} viewers who take everything, ${where}`;
  const both = `${viewers} viewers, half of them stalled, ${where}`;
  const load = new Load(settings.pinning?.generator ?? null);
  try {
    const plan = planOf(bench, { transport: 'batches', plan: { sessions: SESSIONS } }, 'bench');
    await load.prepare(plan, 'batches', settings.connections);
    const lastSeqs = lastSeqsOf(plan);
    for (let run = 1; run <= settings.runs; run++) {
      for (const door of DOORS.filter((name) => bench.wants(name))) {
        const job = { settings, load, plan, lastSeqs, door };
        const stalled = await besideStalled({ ...job, viewers });
        bench.record({ group, job: stalling, server: door }, run, {
          ingestCpuSeconds: stalled.alone,
          serverCpuSeconds: stalled.beside,
          stalledIngestCost: stalled.beside / stalled.alone,
        });
        const taking = await besideReading({ ...job, viewers: takers });
        bench.record({ group, job: reading, server: door }, run, {
          ingestCpuSeconds: taking.storing,
          readingCpuSeconds: taking.reading,
          serverCpuSeconds: taking.together,
          watchedIngestCost: 1 + ((await watchedLine(settings)) * plan.frames) / stalled.alone,
          viewedIngestCost: 1 + (taking.together - taking.storing - taking.reading) / taking.storing,
        });
        bench.record({ group, job: both, server: door }, run, await besideAll({ ...job, viewers }));
      }
    }
  } finally {
    load.kill();
  }
  for (const door of DOORS) {
    bench.target({ group, job: stalling, server: door }, 'stalledIngestCost', { atMost: INGEST_COST_MAX });
    bench.target({ group, job: reading, server: door }, 'watchedIngestCost', { atMost: INGEST_COST_MAX });
  }
  bench.note(
    'viewers: what the writer does because its session is watched, the one copy of the lines for all viewers included, is measured by itself. ' +
      'Ingest and viewers on one server, less the same on two at the same time, has no verdict: two processes have costs of their own.',
  );
}

/** Seconds a line. */
function watchedLine({ smoke }: BenchSettings): Promise<number> {
  const viewers = VIEWERS / SESSIONS;
  return watchedLineSeconds({ viewers, stalled: viewers / 2, lines: smoke ? SMOKE_WATCHED_LINES : WATCHED_LINES });
}

/**
 * Seconds of CPU for the plan's frames, of a server without viewers and of one whose viewers have full sockets, in turns: what a frame
 * costs changes by a tenth from one minute to the next. Both pause before: what begins after a pause costs more for its first second.
 */
function besideStalled(job: AudienceJob): Promise<{ alone: number; beside: number }> {
  return stored(job, (alone) =>
    stored(job, async (beside) => {
      await beside.watch(job.viewers, job.viewers);
      await beside.paused();
      const [aloneCpu, besideCpu] = await inTurns(
        job,
        async () => [await alone.cpu(() => alone.store(1))],
        async () => [await beside.cpu(() => beside.store(1))],
      );
      await beside.allThere(job.viewers);
      return { alone: aloneCpu[0] ?? Number.NaN, beside: besideCpu[0] ?? Number.NaN };
    }),
  );
}

/**
 * Seconds of CPU for the plan's frames: of a server that stores them while viewers read as many lines of another one, of that other one,
 * and of one server that has both, in turns. So the viewers' bytes are paid for in both, and the machine is as busy.
 */
function besideReading(job: AudienceJob): Promise<{ storing: number; reading: number; together: number }> {
  return stored(job, (storing) =>
    stored(job, (reading) =>
      stored(job, async (both) => {
        // Whoever comes has to find his place behind lines there, too.
        await reading.store(1);
        const [apart, together] = await inTurns(
          job,
          async () => {
            let read = 0;
            const stores = await storing.cpu(async () => {
              read = await reading.cpu(() => Promise.all([storing.store(1), reading.read(job.viewers, 1, 2)]));
            });
            return [stores, read];
          },
          async () => {
            const times = both.storedTimes;
            return [await both.cpu(() => Promise.all([both.store(1), both.read(job.viewers, times, times + 1)]))];
          },
        );
        return {
          storing: apart[0] ?? Number.NaN,
          reading: apart[1] ?? Number.NaN,
          together: together[0] ?? Number.NaN,
        };
      }),
    ),
  );
}

/** Beside all viewers, those who stall and those who read: every line reaches each of them once, in order. */
function besideAll(job: AudienceJob): Promise<Figures> {
  const takers = job.viewers / 2;
  return stored(job, async (audience) => {
    await audience.watch(job.viewers, takers);
    await audience.ask({ type: 'reach', lastSeqs: audience.lastSeqs(1) });
    await audience.paused();
    const seconds = await audience.store(AGAIN);
    await audience.ask({ type: 'reach', lastSeqs: audience.lastSeqs(1 + AGAIN) });
    await audience.allThere(job.viewers);
    const { peakRssBytes } = audience;
    await audience.ask({ type: 'wake' });
    const { lines } = await finished(audience.ask, audience.lastSeqs(1 + AGAIN));
    return {
      framesPerSecond: (job.plan.frames * AGAIN) / seconds,
      linesDelivered: lines,
      peakRssBytes,
    };
  });
}

/** @returns what both gave each time, on average */
async function inTurns(
  { settings }: AudienceJob,
  one: () => Promise<number[]>,
  other: () => Promise<number[]>,
): Promise<[number[], number[]]> {
  const rounds = settings.smoke ? 1 : ROUNDS;
  const sums: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const turn of [0, 1, 1, 0] as const) {
      const sum = sums[turn];
      for (const [at, figure] of (await (turn === 0 ? one : other)()).entries()) {
        sum[at] = (sum[at] ?? 0) + figure / (2 * rounds);
      }
    }
  }
  return sums;
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
