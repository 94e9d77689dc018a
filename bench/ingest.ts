/**
 * Ingest of single frames over logging.v1.LogService/WriteLogStream: frames/s, CPU seconds of the server per million frames and
 * its peak RSS, beside the same server with a handler that throws the bytes away (the ceiling) and beside the straightforward
 * Node service, in one run.
 *
 *     npm run bench:ingest -- [--frames 1000000] [--sessions 10,1000] [--runs 3] [--compression gzip] [--json FILE] [--smoke]
 *
 * *What is measured*: a fresh server process per run, warmed up with sessions of its own, on one core; the generator, which
 * replays bytes prepared in advance, on another. Wall time is from the first request byte to the last response; CPU time until all that
 * the frames caused is done. Servers take turns within a run, so that a disturbed machine disturbs all of them alike.
 * *What is checked*: every response counts its frames, and every frame is on disk, once, in order, unchanged.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, type RunningServer, startServer } from './support/contenders.js';
import type { FramePlan } from './support/frame-plan.js';
import { type IngestReport, type IngestRun, ingestRows } from './support/ingest-report.js';
import { type IngestSettings, readIngestSettings } from './support/ingest-settings.js';
import { ingestText, runLine } from './support/ingest-text.js';
import { logweirLine, plainLine } from './support/line-formats.js';
import { Load } from './support/load.js';
import { coreBusySeconds, cpuSeconds, cpuTimes, machine, peakRssBytes, writeCalls } from './support/process-figures.js';
import { REPOSITORY } from './support/repository.js';
import { checkStored } from './support/stored-check.js';
import { isSealing, logweirSessions, plainSessions } from './support/stored-sessions.js';

const SETTLE_DEADLINE_MS = 300_000;
const SETTLE_POLL_MS = 50;

class IngestBench {
  readonly #settings: IngestSettings;
  readonly #runs: IngestRun[] = [];
  #frameBytes = Number.NaN;

  constructor(settings: IngestSettings) {
    this.#settings = settings;
  }

  async measure(): Promise<IngestReport> {
    for (const sessions of this.#settings.sessions) {
      await this.#measureSessions(sessions);
    }
    const { frames, warmupFrames, streams, connections, seed, runs, compression, environment, smoke, pinning } =
      this.#settings;
    return {
      bench: 'ingest',
      at: new Date().toISOString(),
      smoke,
      machine: machine(),
      pinning,
      versions: versions(),
      load: { frames, warmupFrames, frameBytes: this.#frameBytes, streams, connections, seed, runs },
      compression,
      environment,
      rows: ingestRows(this.#runs),
      runs: this.#runs,
    };
  }

  async #measureSessions(sessions: number): Promise<void> {
    const { seed, streams, frames, warmupFrames, connections, pinning, runs, contenders } = this.#settings;
    const measured: FramePlan = { seed, sessionPrefix: 'bench', sessions, streams, frames };
    const warmup: FramePlan = { seed, sessionPrefix: 'warmup', sessions: 10, streams, frames: warmupFrames };
    const load = new Load(pinning?.generator ?? null);
    try {
      progress(`preparing ${frames.toLocaleString('en')} frames for ${sessions.toLocaleString('en')} sessions`);
      await load.prepare(warmup, connections);
      this.#frameBytes = (await load.prepare(measured, connections)) / frames;
      for (let run = 1; run <= runs; run++) {
        for (const contender of contenders) {
          const figures = await this.#measureOnce(contender, run, load, warmup, measured);
          this.#runs.push(figures);
          progress(runLine(figures));
        }
      }
    } finally {
      load.kill();
    }
  }

  async #measureOnce(
    contender: Contender,
    run: number,
    load: Load,
    warmup: FramePlan,
    measured: FramePlan,
  ): Promise<IngestRun> {
    const { compression, environment, pinning, profileDirectory, directory } = this.#settings;
    const logDir = mkdtempSync(join(directory, 'logweir-bench-'));
    const removeLogDir = (): void => rmSync(logDir, { recursive: true, force: true });
    process.once('exit', removeLogDir);
    const core = pinning?.server ?? null;
    try {
      const server = await startServer(contender, { logDir, compression, environment, core, profileDirectory });
      try {
        await load.replay(warmup, server.grpcPort);
        const figures = await this.#replay(server, load, measured, logDir);
        if (contender === 'logweir') {
          // While it serves: what was acknowledged has to be there without a shutdown's help.
          checkStored(logweirSessions(logDir), [warmup, measured], logweirLine);
        }
        await stopWell(server);
        if (contender === 'straightforward') {
          checkStored(plainSessions(logDir), [warmup, measured], plainLine);
        }
        return { run, contender, sessions: measured.sessions, ...figures };
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new Error(`${contender}: ${message}\n${server.child.lastWords}`, { cause: error });
      } finally {
        server.child.kill();
      }
    } finally {
      removeLogDir();
      process.off('exit', removeLogDir);
    }
  }

  async #replay(
    server: RunningServer,
    load: Load,
    plan: FramePlan,
    logDir: string,
  ): Promise<Omit<IngestRun, 'run' | 'contender' | 'sessions'>> {
    const { pid } = server.child;
    const core = this.#settings.pinning?.server;
    const writesBefore = writeCalls(pid);
    const cpuBefore = cpuTimes(pid);
    const busyBefore = core === undefined ? 0 : coreBusySeconds(core);
    const { wallSeconds, cpuSeconds: generatorCpuSeconds } = await load.replay(plan, server.grpcPort);
    await settle(pid, logDir);
    const cpuAfter = cpuTimes(pid);
    const serverSystemSeconds = cpuAfter.system - cpuBefore.system;
    const serverCpuSeconds = cpuAfter.user - cpuBefore.user + serverSystemSeconds;
    const busySeconds = core === undefined ? 0 : coreBusySeconds(core) - busyBefore;
    const millions = plan.frames / 1_000_000;
    return {
      wallSeconds,
      framesPerSecond: plan.frames / wallSeconds,
      serverCpuSeconds,
      serverSystemSeconds,
      serverCpuSecondsPerMillion: serverCpuSeconds / millions,
      serverWriteCalls: writeCalls(pid) - writesBefore,
      peakRssBytes: peakRssBytes(pid),
      generatorCpuSecondsPerMillion: generatorCpuSeconds / millions,
      neighbourCpuSeconds: core === undefined ? null : Math.max(0, busySeconds - serverCpuSeconds),
    };
  }
}

/** What an acknowledgement leaves behind is part of the job: sealing, or buffers that were never flushed. */
async function settle(pid: number, logDir: string): Promise<void> {
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

async function stopWell(server: RunningServer): Promise<void> {
  const how = await server.child.stop();
  if (how !== 'exit code 0') {
    throw new Error(`SIGTERM ended it with ${how}`);
  }
}

function versions(): IngestReport['versions'] {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: REPOSITORY, encoding: 'utf8' }).trim();
  const manifest = readFileSync(join(REPOSITORY, 'node_modules/@grpc/grpc-js/package.json'), 'utf8');
  const grpcJs: { version: string } = JSON.parse(manifest);
  let logweir = 'unknown';
  try {
    logweir = git('rev-parse', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' with changes');
  } catch {
    // Not a git repository: an archive of the sources.
  }
  return { node: process.version, grpcJs: grpcJs.version, logweir };
}

/** To stderr: stdout is for the table. */
function progress(text: string): void {
  console.error(text);
}

async function main(): Promise<void> {
  const settings = readIngestSettings(process.argv.slice(2));
  const report = await new IngestBench(settings).measure();
  console.log(ingestText(report));
  if (settings.jsonFile !== null) {
    writeFileSync(settings.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // By way of 'exit', which ends the child processes and removes their LOG_DIR.
  process.once(signal, () => process.exit(1));
}
try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
