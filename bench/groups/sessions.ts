/** The same frames over ever more sessions; what a live and an idle session hold. */
import type { Bench } from '../support/bench.js';
import { type ComparedWork, compareServers, type Turn } from '../support/compared-run.js';
import { TRANSPORTS, type Transport } from '../support/load-protocol.js';
import { residence } from '../support/process-figures.js';
import type { RowKey } from '../support/report.js';
import type { ServerJob } from '../support/server-run.js';
import { activeSessions, isSealing } from '../support/stored-sessions.js';

const GROUP = 'sessions';
const SESSIONS = [10, 1000, 10_000];
const LIVE_SESSIONS = 10_000;
const IDLE_SESSIONS = 100_000;
const SMOKE_SESSIONS = 200;
/** Gone idle before anything is measured: what the first ones cost besides is not theirs. */
const IDLE_WARMUP_SHARE = 0.1;
const IDLE_SECONDS = 2;
const IDLE_POLL_MS = 500;
const IDLE_DEADLINE_MS = 1_800_000;
/** Issue 4. */
const CPU_SHARE_MIN = 1 / 1.5;
const LIVE_BYTES_MAX = 24 * 1024;
const IDLE_BYTES_MAX = 300;
const DESCRIPTORS_MAX = 0.001;

const LOGWEIR: readonly Turn[] = [{ server: 'logweir', contender: 'logweir' }];

export async function measureSessions(bench: Bench): Promise<void> {
  const counts = bench.settings.sessions ?? SESSIONS;
  for (const transport of TRANSPORTS) {
    const works = counts.map((sessions): ComparedWork => {
      return { group: GROUP, job: jobOf(transport, sessions), transport, plan: { sessions }, turns: LOGWEIR };
    });
    await compareServers(bench, ...works);
    const [fewest] = works;
    for (const { job } of works.slice(1)) {
      const bound = works.at(-1)?.job === job ? { atLeast: CPU_SHARE_MIN } : null;
      const few = rowOf(fewest?.job ?? '');
      bench.ratio(rowOf(job), 'framesPerCpuSecond', [few], `of ${counts[0]} sessions`, bound);
    }
  }
  await measureLive(bench);
  await measureIdle(bench);
  bench.note(
    'sessions: the frames open them, so a file each is created while it is measured. ext4 looks at every inode that was deleted lately before it ' +
      'gives out another one: after thousands of files were deleted, creating one took 460 instead of 21 µs of kernel ' +
      "time. `--dir` on a tmpfs leaves what is logweir's own.",
  );
}

function jobOf(transport: Transport, sessions: number): string {
  const how = transport === 'single' ? 'single frames' : 'batches of 100';
  return `${how}, ${sessions.toLocaleString('en')} sessions, opened meanwhile`;
}

function rowOf(job: string): RowKey {
  return { group: GROUP, job, server: 'logweir' };
}

/** Written once and still open: nothing is pending any more. */
async function measureLive(bench: Bench): Promise<void> {
  const sessions = bench.settings.smoke ? SMOKE_SESSIONS : LIVE_SESSIONS;
  const job = `${sessions.toLocaleString('en')} sessions written once, live`;
  const inspect: ServerJob['inspect'] = ({ child }, _, before) =>
    Promise.resolve(perSession(child.pid, before, sessions));
  const plan = { sessions, frames: sessions };
  await compareServers(bench, { group: GROUP, job, transport: 'single', plan, turns: LOGWEIR, inspect });
  bench.target(rowOf(job), 'rssBytesPerSession', { atMost: LIVE_BYTES_MAX });
}

/** Written once, sealed for idleness, forgotten. Once is enough: nothing here is a race. */
async function measureIdle(bench: Bench): Promise<void> {
  const sessions = bench.settings.smoke ? SMOKE_SESSIONS : IDLE_SESSIONS;
  const job = `${sessions.toLocaleString('en')} sessions written once, gone idle`;
  let begun = 0;
  const rested: ServerJob['rested'] = async (logDir) => {
    await untilIdle(logDir);
    begun = performance.now();
  };
  const inspect: ServerJob['inspect'] = async ({ child }, logDir, before) => {
    await untilIdle(logDir);
    return { ...perSession(child.pid, before, sessions), idleAfterSeconds: (performance.now() - begun) / 1000 };
  };
  const plan = { sessions, frames: sessions };
  const environment = { LOG_IDLE_SECONDS: String(IDLE_SECONDS) };
  const once = bench.withRuns(1);
  const few = Math.ceil(sessions * IDLE_WARMUP_SHARE);
  await compareServers(once, {
    group: GROUP,
    job,
    transport: 'single',
    plan,
    warmup: { sessions: few, frames: few },
    environment,
    turns: LOGWEIR,
    rested,
    inspect,
  });
  bench.target(rowOf(job), 'rssBytesPerSession', { atMost: IDLE_BYTES_MAX });
  bench.target(rowOf(job), 'descriptorsPerSession', { atMost: DESCRIPTORS_MAX });
}

function perSession(pid: number, before: { rssBytes: number; descriptors: number }, sessions: number) {
  const now = residence(pid);
  return {
    rssBytesPerSession: Math.max(0, now.rssBytes - before.rssBytes) / sessions,
    descriptorsPerSession: Math.max(0, now.descriptors - before.descriptors) / sessions,
  };
}

async function untilIdle(logDir: string): Promise<void> {
  const deadline = performance.now() + IDLE_DEADLINE_MS;
  while (activeSessions(logDir) > 0 || isSealing(logDir)) {
    if (performance.now() > deadline) {
      throw new Error(`${activeSessions(logDir)} sessions are still not idle`);
    }
    await new Promise((done) => setTimeout(done, IDLE_POLL_MS));
  }
}
