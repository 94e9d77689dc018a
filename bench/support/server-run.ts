/** One server, once: started, warmed up, loaded, looked at from outside, checked, stopped. */
import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, type RunningServer, startServer } from './contenders.js';
import type { Figures } from './figures.js';
import type { FramePlan } from './frame-plan.js';
import { logweirLine, plainLine } from './line-formats.js';
import type { Load, Replayed } from './load.js';
import type { Transport } from './load-protocol.js';
import {
  coreBusySeconds,
  coresOf,
  cpuSeconds,
  cpuTimes,
  peakRssBytes,
  type Residence,
  residence,
  writeCalls,
} from './process-figures.js';
import { readMetrics } from './server-metrics.js';
import type { BenchSettings } from './settings.js';
import { checkStored } from './stored-check.js';
import { isSealing, logweirSessions, plainSessions } from './stored-sessions.js';

const SETTLE_DEADLINE_MS = 1_800_000;
const SETTLE_POLL_MS = 50;

export interface ServerJob {
  readonly contender: Contender;
  readonly transport: Transport;
  readonly warmup: FramePlan;
  readonly measured: FramePlan;
  readonly inFlight: number;
  /** Variables of logweir. */
  readonly environment: Readonly<Record<string, string>>;
  /** Waits, after the warm-up, until the server is as it is to be found by the load. */
  readonly rested?: (logDir: string) => Promise<void>;
  /** Looks at the loaded server before it stops. */
  readonly inspect?: (server: RunningServer, logDir: string, before: Residence) => Promise<Figures>;
}

/** @throws when a frame is not on disk, once, in order; when an acknowledgement is missing; when SIGTERM does not end it well */
export async function runServer(settings: BenchSettings, load: Load, job: ServerJob): Promise<Figures> {
  const { contender, transport, warmup, measured, inFlight } = job;
  return inLogDirKept(settings, async (logDir) => {
    const server = await startServer(contender, serverOptions(settings, job, logDir));
    return orLastWords(contender, server, async () => {
      await load.replay({ transport, sessionPrefix: warmup.sessionPrefix, port: server.grpcPort, inFlight });
      // What the warm-up left to be compressed is not the measured frames'.
      await settle(server.child.pid, logDir);
      await job.rested?.(logDir);
      const before = residence(server.child.pid);
      const figures = await replay(settings, server, load, job, logDir);
      const inspected = (await job.inspect?.(server, logDir, before)) ?? {};
      if (contender === 'logweir') {
        // While it serves: what was acknowledged has to be there without a shutdown's help.
        checkStored(logweirSessions(logDir), [warmup, measured], logweirLine);
      }
      await stopWell(server);
      if (contender === 'straightforward') {
        checkStored(plainSessions(logDir), [warmup, measured], plainLine);
      }
      return { ...figures, ...inspected };
    });
  });
}

function serverOptions(settings: BenchSettings, { contender, environment }: ServerJob, logDir: string) {
  return {
    logDir,
    environment: contender === 'logweir' ? { ...environment, ...settings.environment } : {},
    cores: settings.pinning?.server ?? null,
    profileDirectory: settings.profileDirectory,
  };
}

/** What is left of directories, until the process ends. */
const emptied = new Set<string>();
process.once('exit', () => {
  for (const directory of emptied) {
    rmSync(directory, { recursive: true, force: true });
  }
});

/** A directory that does not outlive the work. */
export function inLogDir<Result>(settings: BenchSettings, work: (logDir: string) => Promise<Result>): Promise<Result> {
  return inDirectory(settings, work, (logDir) => {
    rmSync(logDir, { recursive: true, force: true });
    emptied.delete(logDir);
  });
}

/**
 * A directory whose bytes do not outlive the work, and whose names go when the process ends: after a thousand files were removed, ext4
 * takes twenty times as long to make each of the next ones, and the next server would pay for the last one's.
 */
export function inLogDirKept<Result>(
  settings: BenchSettings,
  work: (logDir: string) => Promise<Result>,
): Promise<Result> {
  return inDirectory(settings, work, emptyFiles);
}

async function inDirectory<Result>(
  settings: BenchSettings,
  work: (logDir: string) => Promise<Result>,
  leave: (logDir: string) => void,
): Promise<Result> {
  const logDir = mkdtempSync(join(settings.directory, 'logweir-bench-'));
  emptied.add(logDir);
  try {
    return await work(logDir);
  } finally {
    leave(logDir);
  }
}

/** As far as it goes: a server that was killed may still be at it, and why it was is what has to be told. */
function emptyFiles(directory: string): void {
  try {
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) {
        truncateSync(join(entry.parentPath, entry.name));
      }
    }
  } catch {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Ends the server whatever happens; what it said last goes into the error. */
export async function orLastWords<Result>(
  name: string,
  server: { readonly child: RunningServer['child'] },
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${name}: ${message}\n${server.child.lastWords}`, { cause: error });
  } finally {
    server.child.kill();
  }
}

async function replay(
  settings: BenchSettings,
  server: RunningServer,
  load: Load,
  { contender, transport, measured, inFlight, environment }: ServerJob,
  logDir: string,
): Promise<Figures> {
  const { pid } = server.child;
  const watched = watch(settings, pid);
  const metricsBefore = server.httpPort === null ? null : await readMetrics(server.httpPort);
  const replayed = await load.replay({
    transport,
    sessionPrefix: measured.sessionPrefix,
    port: server.grpcPort,
    inFlight,
  });
  await settle(pid, logDir);
  const durable = { ...environment, ...settings.environment }['LOG_FSYNC'] !== 'never';
  if (contender === 'logweir' && replayed.durable !== durable) {
    throw new Error(`acknowledgements said durable: ${replayed.durable}`);
  }
  const metrics = server.httpPort === null ? null : await readMetrics(server.httpPort);
  return {
    ...watched(measured.frames, replayed),
    ...(replayed.ackMs === null
      ? {}
      : { ackP50Ms: replayed.ackMs.p50, ackP99Ms: replayed.ackMs.p99, ackMaxMs: replayed.ackMs.max }),
    ...(metrics === null || metricsBefore === null
      ? {}
      : ownFigures(metricsBefore, metrics, measured.frames, replayed.wallSeconds)),
  };
}

/** Begins to watch a process. @returns what gives the figures of the time since */
export function watch(
  settings: BenchSettings,
  pid: number,
): (frames: number, replayed: Pick<Replayed, 'wallSeconds' | 'cpuSeconds'>) => Figures {
  const cores = settings.pinning === null ? [] : coresOf(settings.pinning.server);
  const busySeconds = (): number => cores.reduce((sum, core) => sum + coreBusySeconds(core), 0);
  const begun = performance.now();
  const writesBefore = writeCalls(pid);
  const cpuBefore = cpuTimes(pid);
  const busyBefore = busySeconds();
  return (frames, { wallSeconds, cpuSeconds: generatorCpuSeconds }) => {
    const cpu = cpuTimes(pid);
    const serverSystemSeconds = cpu.system - cpuBefore.system;
    const serverCpuSeconds = Math.max(0.01, cpu.user - cpuBefore.user + serverSystemSeconds);
    const others = busySeconds() - busyBefore - serverCpuSeconds - generatorCpuSeconds;
    return {
      framesPerSecond: frames / wallSeconds,
      framesPerCpuSecond: frames / serverCpuSeconds,
      peakRssBytes: peakRssBytes(pid),
      serverCpuSeconds,
      serverSystemSeconds,
      generatorCpuSeconds,
      writeCalls: writeCalls(pid) - writesBefore,
      ...(cores.length === 0 ? {} : { neighbourShare: (1000 * Math.max(0, others)) / (performance.now() - begun) }),
    };
  };
}

function ownFigures(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  frames: number,
  wallSeconds: number,
): Figures {
  const syncs = (after.get('logweir_fsync_seconds_count') ?? 0) - (before.get('logweir_fsync_seconds_count') ?? 0);
  return {
    syncsPerSecond: syncs / wallSeconds,
    ...(syncs === 0 ? {} : { framesPerSync: frames / syncs }),
    longestStallMs: 1000 * (after.get('nodejs_eventloop_lag_max_seconds') ?? Number.NaN),
  };
}

/** What an acknowledgement leaves behind is part of the job: sealing, or buffers that were never flushed. */
export async function settle(pid: number, logDir: string): Promise<void> {
  const deadline = performance.now() + SETTLE_DEADLINE_MS;
  let used = Number.NaN;
  while (isSealing(logDir) || used !== cpuSeconds(pid)) {
    if (performance.now() > deadline) {
      throw new Error('the server did not come to rest');
    }
    used = cpuSeconds(pid);
    await new Promise((done) => setTimeout(done, SETTLE_POLL_MS));
  }
}

export async function stopWell(server: RunningServer): Promise<void> {
  const how = await server.child.stop();
  if (how !== 'exit code 0') {
    throw new Error(`SIGTERM ended it with ${how}`);
  }
}
