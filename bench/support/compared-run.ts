/** The same work for several servers, in turns within each run, so that a disturbed machine disturbs all of them alike. */
import type { Bench } from './bench.js';
import { progress } from './bench.js';
import type { Contender } from './contenders.js';
import type { Figures } from './figures.js';
import type { FramePlan } from './frame-plan.js';
import { Load } from './load.js';
import type { Peer, Transport } from './load-protocol.js';
import { runPeer } from './peer-run.js';
import { runServer, type ServerJob } from './server-run.js';

export const BATCH_FRAMES = 100;
const WARMUP_SESSIONS = 10;

/** One of those that take turns; `server` is how the row calls it. */
export interface Turn {
  readonly server: string;
  readonly contender: Contender;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ComparedWork {
  readonly group: string;
  readonly job: string;
  readonly transport: Transport;
  /** What differs from frames of agents over sessions that come over every stream. */
  readonly plan: Partial<FramePlan> & { readonly sessions: number };
  readonly connections?: number;
  readonly inFlight?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly turns: readonly Turn[];
  /** Installed ones that do the same work. */
  readonly peers?: readonly Peer[];
  readonly warmup?: Partial<FramePlan>;
  readonly rested?: ServerJob['rested'];
  readonly inspect?: ServerJob['inspect'];
}

export const OWN_SERVERS: readonly Turn[] = [
  { server: 'ceiling', contender: 'ceiling' },
  { server: 'logweir', contender: 'logweir' },
  { server: 'straightforward', contender: 'straightforward' },
];

interface Prepared {
  readonly work: ComparedWork;
  readonly warmup: FramePlan;
  readonly measured: FramePlan;
  readonly bytes: number;
}

/** Works that are to be compared with one another take turns, too. */
export async function compareServers(bench: Bench, ...works: readonly ComparedWork[]): Promise<void> {
  const { settings } = bench;
  const load = new Load(settings.pinning?.generator ?? null);
  try {
    const prepared: Prepared[] = [];
    for (const [at, work] of works.entries()) {
      prepared.push(await prepare(bench, load, work, works.length === 1 ? 'bench' : `bench${at}`));
    }
    for (let run = 1; run <= settings.runs; run++) {
      for (const one of prepared) {
        await takeTurns(bench, load, one, run);
      }
    }
  } finally {
    load.kill();
  }
}

async function prepare(bench: Bench, load: Load, work: ComparedWork, sessionPrefix: string): Promise<Prepared> {
  const measured = planOf(bench, work, sessionPrefix);
  const warmup: FramePlan = {
    ...measured,
    sessionPrefix: `warmup-${sessionPrefix}`,
    sessions: WARMUP_SESSIONS,
    streams: Math.min(measured.streams, WARMUP_SESSIONS),
    own: false,
    frames: Math.min(bench.settings.warmupFrames, measured.frames),
    ...work.warmup,
  };
  progress(`${work.group}, ${work.job}: preparing ${measured.frames.toLocaleString('en')} frames`);
  const connections = work.connections ?? bench.settings.connections;
  await load.prepare(warmup, work.transport, connections);
  const bytes = await load.prepare(measured, work.transport, connections);
  for (const peer of wantedPeers(bench, work)) {
    await load.prepare(warmup, peer, connections);
    await load.prepare(measured, peer, connections);
  }
  return { work, warmup, measured, bytes };
}

function wantedPeers(bench: Bench, { peers = [] }: ComparedWork): Peer[] {
  return peers.filter((peer) => bench.wants(peer));
}

async function takeTurns(
  bench: Bench,
  load: Load,
  { work, warmup, measured, bytes }: Prepared,
  run: number,
): Promise<void> {
  const { settings } = bench;
  for (const turn of work.turns.filter(({ server, contender }) => bench.wants(server) || bench.wants(contender))) {
    const figures = await runServer(settings, load, {
      contender: turn.contender,
      transport: work.transport,
      warmup,
      measured,
      inFlight: work.inFlight ?? settings.inFlight,
      environment: { LOG_COMPRESSION: 'none', ...work.environment, ...turn.environment },
      ...(work.rested === undefined ? {} : { rested: work.rested }),
      ...(work.inspect === undefined ? {} : { inspect: work.inspect }),
    });
    bench.record({ group: work.group, job: work.job, server: turn.server }, run, withRate(figures, bytes, measured));
  }
  for (const peer of wantedPeers(bench, work)) {
    // As many frames on their way as logweir has in batches.
    const inFlight = (work.inFlight ?? settings.inFlight) * measured.burst;
    const figures = await runPeer(settings, load, { peer, warmup, measured, inFlight });
    bench.record({ group: work.group, job: work.job, server: peer }, run, withRate(figures, bytes, measured));
  }
}

export function planOf(bench: Bench, work: Pick<ComparedWork, 'plan' | 'transport'>, sessionPrefix: string): FramePlan {
  const { seed, streams, frames } = bench.settings;
  return {
    seed,
    sessionPrefix,
    streams,
    frames,
    burst: work.transport === 'batches' ? BATCH_FRAMES : 1,
    own: false,
    text: { kind: 'agent' },
    metadataKeys: 2,
    ...work.plan,
  };
}

function withRate(figures: Figures, bytes: number, { frames }: FramePlan): Figures {
  const { framesPerSecond = Number.NaN } = figures;
  return { ...figures, megabytesPerSecond: ((bytes / frames) * framesPerSecond) / 1e6 };
}
