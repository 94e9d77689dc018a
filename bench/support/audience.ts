/** A server of logweir with viewers: who looks at it, and what that takes. */
import { fileURLToPath } from 'node:url';
import { type RunningServer, startServer } from './contenders.js';
import { type FramePlan, framesOfStream, sessionId, sessionOf } from './frame-plan.js';
import type { Load } from './load.js';
import { NodeChild } from './node-child.js';
import { cpuSeconds, peakRssBytes } from './process-figures.js';
import { readMetrics } from './server-metrics.js';
import { inLogDir, orLastWords, settle, stopWell } from './server-run.js';
import type { BenchSettings } from './settings.js';
import type { Door, ViewerAnswer, ViewerCommand } from './viewer-protocol.js';

/** Viewers of the sessions of a plan. */
export interface AudienceJob {
  readonly settings: BenchSettings;
  readonly load: Load;
  readonly plan: FramePlan;
  /** Of the plan: see lastSeqsOf. */
  readonly lastSeqs: Readonly<Record<string, number>>;
  readonly door: Door;
  readonly viewers: number;
}

/** What sealing takes would fall to some turns and not to others. */
const UNSEALED = { LOG_COMPRESSION: 'none', LOG_MAX_SIZE_BYTES: String(2 ** 30), LOG_IDLE_SECONDS: '3600' };
/** The service cuts a viewer off that takes nothing for a minute. */
const STALL_SECONDS_MAX = 55;

/** One server and its viewers, who begin with the first line of its sessions. */
export class Audience {
  readonly ask: Ask;
  readonly #job: AudienceJob;
  readonly #server: RunningServer;
  readonly #logDir: string;
  #watchingSince = Number.NaN;
  #storedTimes = 0;

  constructor(job: AudienceJob, server: RunningServer, logDir: string, ask: Ask) {
    this.#job = job;
    this.#server = server;
    this.#logDir = logDir;
    this.ask = ask;
  }

  /** How often the plan's frames were stored, or are being. */
  get storedTimes(): number {
    return this.#storedTimes;
  }

  get peakRssBytes(): number {
    return peakRssBytes(this.#server.child.pid);
  }

  /** Of sessions that hold the plan's frames so often. */
  lastSeqs(times: number): Record<string, number> {
    return Object.fromEntries(Object.entries(this.#job.lastSeqs).map(([id, lastSeq]) => [id, lastSeq * times]));
  }

  /** Has the plan's frames stored so often. @returns seconds until the acknowledgements, those of all times together */
  async store(times: number): Promise<number> {
    const { load, plan, settings } = this.#job;
    const { sessionPrefix } = plan;
    let seconds = 0;
    for (let time = 0; time < times; time++) {
      this.#storedTimes++;
      const { wallSeconds } = await load.replay({
        transport: 'batches',
        sessionPrefix,
        port: this.#server.grpcPort,
        inFlight: settings.inFlight,
      });
      seconds += wallSeconds;
      await settle(this.#server.child.pid, this.#logDir);
    }
    return seconds;
  }

  /** @returns seconds that the server took meanwhile */
  async cpu(work: () => Promise<unknown>): Promise<number> {
    const { pid } = this.#server.child;
    const before = cpuSeconds(pid);
    await work();
    return Math.max(0.01, cpuSeconds(pid) - before);
  }

  /** @param storedTimes viewers begin behind the lines of so many times */
  async watch(viewers: number, stalled: number, storedTimes = 0): Promise<void> {
    const { door } = this.#job;
    this.#watchingSince = performance.now();
    await this.ask({
      type: 'watch',
      ...doorOf(this.#server, door),
      afterSeqs: this.lastSeqs(storedTimes),
      viewers,
      stalled,
    });
  }

  /** Viewers come, take the lines of those times, `from` of them left out, and go. */
  async read(viewers: number, from: number, to: number): Promise<void> {
    await this.watch(viewers, 0, from);
    await finished(this.ask, this.lastSeqs(to));
  }

  /** Until the sockets of those who stall are full, which nothing tells but that nothing is written to them any more. */
  paused(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.#job.settings.smoke ? 200 : 4000));
  }

  /** @throws when not every viewer is there, or some may have been cut off and have come back */
  async allThere(viewers: number): Promise<void> {
    const metrics = await readMetrics(this.#server.httpPort ?? Number.NaN);
    const kinds = [...metrics].filter(([name]) => name.startsWith('logweir_viewers_open{'));
    const open = kinds.reduce((sum, [, value]) => sum + value, 0);
    if (open !== viewers) {
      throw new Error(`${open} viewers are there instead of ${viewers}`);
    }
    const seconds = (performance.now() - this.#watchingSince) / 1000;
    if (seconds > STALL_SECONDS_MAX) {
      throw new Error(`viewers stalled for ${seconds} s, and are cut off after a minute: choose fewer --frames`);
    }
  }
}

export function doorOf({ grpcPort, httpPort }: RunningServer, door: Door): { door: Door; port: number } {
  return { door, port: door === 'sse' ? (httpPort ?? Number.NaN) : grpcPort };
}

/** How many lines each session has in the end. */
export function lastSeqsOf(plan: FramePlan): Record<string, number> {
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

export type Ask = (command: ViewerCommand) => Promise<ViewerAnswer>;

export async function finished(
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
export async function withViewers<Result>(
  settings: BenchSettings,
  work: (ask: Ask) => Promise<Result>,
): Promise<Result> {
  const command = [fileURLToPath(new URL('./viewers.js', import.meta.url))];
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

export async function withServer<Result>(
  settings: BenchSettings,
  work: (server: RunningServer, logDir: string) => Promise<Result>,
): Promise<Result> {
  return inLogDir(settings, async (logDir) => {
    const server = await startServer('logweir', {
      logDir,
      environment: { ...UNSEALED, ...settings.environment },
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
