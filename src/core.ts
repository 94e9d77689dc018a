import type { Config } from './config.js';
import { LiveHub } from './reading/live-hub.js';
import type { LogSource } from './reading/log-source.js';
import { SessionLogSource } from './reading/session-log-source.js';
import { SessionReader } from './reading/session-reader.js';
import { Announcer, type Publisher } from './sealing/announcer.js';
import { type CompleteSession, Completions } from './sealing/completions.js';
import type { Compressor } from './sealing/compressor.js';
import { Outbox } from './sealing/outbox.js';
import { SealingPipeline } from './sealing/sealing-pipeline.js';
import type { Clock } from './segment/clock.js';
import type { Files } from './segment/files.js';
import { type Layout, layoutOf } from './segment/layout.js';
import { makingRoom } from './segment/making-room.js';
import { Quarantine } from './segment/quarantine.js';
import { type Recovered, Recovery } from './segment/recovery.js';
import { type RepairReport, SessionHistories } from './segment/session-history.js';
import type { SessionRegistry } from './session/session-registry.js';
import { Sessions } from './session/sessions.js';
import type { ReadLines } from './session/stored-lookups.js';
import type { SessionHistory } from './session/writer-context.js';
import { completionError, historyError, writerEvents } from './storage-events.js';
import type { Logger } from './telemetry/logger.js';
import type { Metrics } from './telemetry/metrics.js';
import { repairReport } from './telemetry/repair-report.js';
import { StorageFailures } from './telemetry/storage-failures.js';

const SETTLE_PAUSE_MS = 250;

export type CoreConfig = Pick<
  Config,
  | 'logDir'
  | 'maxSegmentBytes'
  | 'maxSegmentAgeSeconds'
  | 'idleSeconds'
  | 'flushIntervalMs'
  | 'fsync'
  | 'compression'
  | 'gzipLevel'
  | 'compressionWorkers'
  | 'maxFrameBytes'
  | 'maxQueueBytes'
  | 'maxSessionQueueBytes'
  | 'maxOpenFiles'
>;

export interface CoreParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly files: Files;
  readonly clock: Clock;
  /** Where events are announced; null: nowhere, and none are recorded. */
  readonly publisher: Publisher | null;
  /** Instead of threads, for a simulation. */
  readonly compressor?: Compressor;
  /** Instead of the reader, which inflates in threads, for a simulation. */
  readonly readLines?: ReadLines;
  /** From 0 to below 1, instead of Math.random, for a simulation. */
  readonly random?: () => number;
  /** How much of the time since the last call the event loop was busy, 0 to 1; without it, never. */
  readonly busyShare?: () => number;
}

/** Everything between the doors and the disk: sessions, the sealing of their segments, the announcing of those. */
export interface Core {
  /** The disk; what finds no descriptor left closes a session's file. */
  readonly files: Files;
  readonly sessions: Sessions;
  readonly pipeline: SealingPipeline;
  readonly outbox: Outbox | null;
  readonly announcer: Announcer | null;
  /** What was just written; told of completions. */
  readonly hub: LiveHub;
  /** Where every door reads sessions. */
  readonly logs: LogSource;
  /** How sessions ended, and who is told. */
  readonly completions: Pick<Completions, 'of' | 'onCompleted'>;
  readonly completeSession: CompleteSession;
  /** Starts what works by itself: rotation by time, background syncs, announcing. */
  start(): void;
  /**
   * Once no frames come any more: queues written and synced, files closed, threads ended.
   * @returns the sessions that could not be written, with the reason
   */
  drain(): Promise<{ sessionId: string; error: unknown }[]>;
}

/**
 * Brings LOG_DIR back to where writing can go on, and builds the parts over it. The directories must be there and locked.
 * @throws the error of the disk that stopped recovery
 */
export async function openCore(config: CoreConfig, parts: CoreParts): Promise<Core> {
  const { logger, metrics, clock, publisher } = parts;
  let closeOneFile = (_named: boolean): Promise<boolean> => Promise.resolve(false);
  const files = makingRoom(parts.files, (named) => closeOneFile(named));
  const layout = layoutOf(config.logDir);
  const report = repairReport(logger, metrics);
  const recovered = await recover(files, layout, logger, report);
  const histories = new SessionHistories({ files, layout, quarantine: new Quarantine(files, layout), report });

  const outbox = publisher === null ? null : new Outbox({ layout, files, clock, logger, metrics });
  await outbox?.open();
  const random = parts.random ?? Math.random;
  const announcer =
    outbox === null || publisher === null ? null : new Announcer({ outbox, publisher, clock, logger, metrics, random });
  const pipeline = new SealingPipeline({
    layout,
    files,
    clock,
    logger,
    metrics,
    compression: config.compression,
    gzipLevel: config.gzipLevel,
    histories,
    workers: config.compressionWorkers,
    compressor: parts.compressor,
    outbox,
  });

  const hub = new LiveHub();
  // Lookups have places of their own: no viewer makes an agent wait.
  const lookups = new SessionReader(files, layout);
  const sessions = new Sessions({
    files,
    clock,
    layout,
    limits: {
      maxBytes: config.maxSegmentBytes,
      maxAgeMs: config.maxSegmentAgeSeconds * 1000,
      idleMs: config.idleSeconds * 1000,
    },
    fsync: config.fsync,
    flushIntervalMs: config.flushIntervalMs,
    maxFrameBytes: config.maxFrameBytes,
    maxQueueBytes: config.maxQueueBytes,
    maxSessionQueueBytes: config.maxSessionQueueBytes,
    maxOpenFiles: config.maxOpenFiles,
    counts: metrics.ingest,
    events: writerEvents(metrics, new StorageFailures(logger, clock.monotonicMs), {
      sealed: (segment) => pipeline.accept(segment),
      written: (sessionId, bytes, from, to) => hub.written(sessionId, bytes, from, to),
    }),
    busyShare: parts.busyShare ?? (() => 0),
    readLines: parts.readLines ?? ((sessionId, afterSeq) => lookups.linesIfAny(sessionId, afterSeq)),
    findHistory: (sessionId) =>
      findHistory(sessionId, pipeline, histories).catch((error: unknown) => {
        throw historyError(sessionId, error, logger, metrics);
      }),
  });
  closeOneFile = (named) => sessions.closeOneFile(named);
  const { registry } = sessions;
  const completions = new Completions({
    files,
    layout,
    clock,
    pipeline,
    seal: (sessionId) => registry.seal(sessionId, 'complete'),
  });
  completions.onCompleted((sessionId, completion) => hub.completed(sessionId, completion));
  adopt(recovered, registry, pipeline, clock);
  return {
    files,
    sessions,
    pipeline,
    outbox,
    announcer,
    hub,
    logs: new SessionLogSource({
      reader: new SessionReader(files, layout),
      hub,
      completionOf: (sessionId) => completions.of(sessionId),
      settled: (sessionId) => settled(sessionId, sessions.registry, clock),
    }),
    completions,
    async completeSession(sessionId, status, exitCode, signal) {
      try {
        const outcome = await completions.complete(sessionId, status, exitCode, signal);
        if (outcome.kind === 'completed' && outcome.isNew) {
          metrics.completions.inc();
        }
        return outcome;
      } catch (error) {
        throw completionError(sessionId, error, logger, metrics);
      }
    },
    start() {
      sessions.start();
      announcer?.start();
    },
    async drain() {
      const failed = await registry.drain();
      // What they seal is the pipeline's yet.
      await completions.settled();
      await pipeline.close();
      await announcer?.close();
      return failed;
    },
  };
}

/** Resolves when what a session took is durable, however long the disk fails. */
async function settled(sessionId: string, registry: SessionRegistry, clock: Clock): Promise<void> {
  for (;;) {
    try {
      await registry.whenDurable(sessionId);
      return;
    } catch {
      // The session goes on trying, and says so in the log.
      await new Promise<void>((resolve) => clock.after(SETTLE_PAUSE_MS, resolve));
    }
  }
}

async function recover(files: Files, layout: Layout, logger: Logger, report: RepairReport): Promise<Recovered> {
  const startedAt = performance.now();
  const recovered = await new Recovery(files, layout, report).run();
  const { active, sealed, completions } = recovered;
  const ms = Math.round(performance.now() - startedAt);
  logger.info({ active: active.length, sealed: sealed.length, completions: completions.length, ms }, 'recovered');
  return recovered;
}

function adopt(recovered: Recovered, registry: SessionRegistry, pipeline: SealingPipeline, clock: Clock): void {
  const nowMs = clock.monotonicMs();
  const wallMs = clock.wallMs();
  // Within a session by seq, and a completion behind the last segment that it completes.
  const inOrder = [
    ...recovered.sealed.map((segment) => ({
      lastSeq: segment.summary.lastSeq,
      accept: () => pipeline.accept(segment),
    })),
    ...recovered.completions.map((record) => ({
      lastSeq: record.last_seq,
      accept: () => pipeline.acceptCompletion(record),
    })),
  ].toSorted((a, b) => a.lastSeq - b.lastSeq);
  for (const { accept } of inOrder) {
    accept();
  }
  for (const { summary, createdAtMs, modifiedAtMs } of recovered.active) {
    registry.adopt(summary.sessionId, {
      lastSeq: summary.lastSeq,
      producers: summary.producers,
      // A wall clock that went back must not make the future of a file.
      active: {
        summary,
        openedAtMs: nowMs - Math.max(0, wallMs - createdAtMs),
        lastActiveMs: nowMs - Math.max(0, wallMs - modifiedAtMs),
      },
    });
  }
}

/** What is on disk, or on its way there, of a session that has no writer. */
async function findHistory(
  sessionId: string,
  pipeline: SealingPipeline,
  histories: SessionHistories,
): Promise<SessionHistory> {
  const sealing = pipeline.newestPending(sessionId)?.summary ?? null;
  return { ...(await histories.stored(sessionId, sealing)), active: null };
}
