import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from './config.js';
import { PROTOS_DIRECTORY } from './grpc/log-service.js';
import { GrpcServer } from './grpc/server.js';
import { startHttpServer } from './http/server.js';
import { summarizeSession } from './reading/session-list.js';
import { SessionReader } from './reading/session-reader.js';
import { Announcer } from './sealing/announcer.js';
import { Outbox } from './sealing/outbox.js';
import { createRedisPublisher } from './sealing/redis-announcer.js';
import { SealingPipeline } from './sealing/sealing-pipeline.js';
import { type Clock, systemClock } from './segment/clock.js';
import { acquireDirectoryLock } from './segment/directory-lock.js';
import type { Files } from './segment/files.js';
import { type Layout, layoutOf } from './segment/layout.js';
import { makingRoom } from './segment/making-room.js';
import { ManifestTooNew } from './segment/manifest-store.js';
import { nodeFiles } from './segment/node-files.js';
import { Quarantine } from './segment/quarantine.js';
import { type Recovered, Recovery } from './segment/recovery.js';
import { type RepairReport, SessionHistories } from './segment/session-history.js';
import type { SessionRegistry } from './session/session-registry.js';
import { Sessions } from './session/sessions.js';
import type { SessionHistory } from './session/writer-context.js';
import { EXIT_CONFIGURATION, listenError, recoveryError, StartError } from './start-error.js';
import { historyError, writerEvents } from './storage-events.js';
import type { Logger } from './telemetry/logger.js';
import { Metrics } from './telemetry/metrics.js';
import { repairReport } from './telemetry/repair-report.js';
import { StorageFailures } from './telemetry/storage-failures.js';

export interface ServiceParts {
  readonly logger: Logger;
  readonly version: string;
  /** Tests bring a disk that fails and a clock that jumps. */
  readonly files?: Files;
  readonly clock?: Clock;
}

export interface RunningService {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Drains: no new calls, queues written and synced, responses sent. */
  stop(): Promise<void>;
  /** What `stop` still waits for. `queueBytes`: lines that are not known to be durable. */
  unfinished(): { calls: number; queueBytes: number; sealingSegments: number };
}

/**
 * Builds the parts, starts them in order, drains them in the opposite one.
 * @throws StartError
 */
export async function startService(config: Config, parts: ServiceParts): Promise<RunningService> {
  const layout = layoutOf(config.logDir);
  const files = parts.files ?? nodeFiles;
  await prepareDirectories(files, layout);
  const lock = await acquireDirectoryLock(config.logDir).catch((error: unknown) => {
    throw new StartError((error as Error).message, EXIT_CONFIGURATION, error);
  });
  const undo: (() => Promise<void>)[] = [() => lock.release()];
  try {
    return await startLocked(config, layout, { ...parts, files, clock: parts.clock ?? systemClock }, undo);
  } catch (error) {
    for (const step of undo.toReversed()) {
      await step();
    }
    throw error;
  }
}

async function startLocked(
  config: Config,
  layout: Layout,
  parts: Required<ServiceParts>,
  undo: (() => Promise<void>)[],
): Promise<RunningService> {
  const { logger, clock, version } = parts;
  let closeOneFile = (): Promise<boolean> => Promise.resolve(false);
  const files = makingRoom(parts.files, () => closeOneFile());
  const metrics = new Metrics({ version });
  const report = repairReport(logger, metrics);
  const recovered = await recover(files, layout, logger, report);
  const histories = new SessionHistories({ files, layout, quarantine: new Quarantine(files, layout), report });

  const outbox = await openOutbox(config, { layout, files, clock, logger, metrics });
  const announcer = outbox === null ? null : createAnnouncer(config, outbox, parts, metrics);
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
    outbox,
  });
  undo.push(() => pipeline.close());

  const reader = new SessionReader(files, layout);
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
    events: writerEvents(metrics, new StorageFailures(logger, clock.monotonicMs), (segment) =>
      pipeline.accept(segment),
    ),
    readLines: (sessionId, afterSeq) => reader.linesIfAny(sessionId, afterSeq),
    findHistory: (sessionId) =>
      findHistory(sessionId, pipeline, histories).catch((error: unknown) => {
        throw historyError(sessionId, error, logger, metrics);
      }),
  });
  closeOneFile = () => sessions.closeOneFile();
  adopt(recovered, sessions.registry, pipeline, clock);
  metrics.observe({
    openSessions: () => sessions.registry.size,
    openFiles: () => sessions.openFiles,
    queueBytes: () => sessions.queueBytes,
    compressionQueue: () => pipeline.queueLength,
    outboxRecords: () => outbox?.depth ?? 0,
    outboxOldestSeconds: () => outbox?.oldestSeconds() ?? 0,
    redisUp: () => announcer?.redisUp ?? false,
  });

  let draining = false;
  const readiness = (): { ready: boolean; reasons: string[] } => {
    const storage = sessions.storageError;
    const reasons = [...(draining ? ['shutting down'] : []), ...(storage === null ? [] : [storage.message])];
    return { ready: reasons.length === 0, reasons };
  };
  const { httpHost, httpPort } = config;
  const endpoint = { host: httpHost, port: httpPort, maxConnections: config.maxHttpConnections };
  const http = await startHttpServer({ ...endpoint, logger, metrics, readiness }).catch((error: unknown) => {
    throw listenError('HTTP', httpHost, httpPort, error);
  });
  undo.push(() => http.close());

  const grpc = new GrpcServer({
    host: config.grpcHost,
    port: config.grpcPort,
    limits: config,
    clock,
    durable: config.fsync === 'ack',
    descriptorSet: readFileSync(join(PROTOS_DIRECTORY, 'logging.binpb')),
    newIntake: (flow) => sessions.newIntake(flow),
    sessions: {
      position: (sessionId, producerId) => sessions.registry.position(sessionId, producerId),
      summarize: (sessionId) => summarizeSession(files, layout, sessionId),
    },
    logger,
    metrics,
  });
  const grpcPort = await grpc.listen().catch((error: unknown) => {
    throw listenError('GRPC', config.grpcHost, config.grpcPort, error);
  });
  sessions.start();
  announcer?.start();
  const stopHealth = clock.every(500, () => grpc.setServing(readiness().ready));
  grpc.setServing(true);

  return {
    grpcPort,
    httpPort: http.port,
    unfinished: () => ({
      calls: grpc.openCalls,
      queueBytes: sessions.queueBytes,
      sealingSegments: pipeline.queueLength,
    }),
    async stop() {
      draining = true;
      stopHealth();
      await grpc.drain();
      for (const { sessionId, error } of await sessions.registry.drain()) {
        logger.error({ session: sessionId, err: error }, 'a session could not be written before the end');
      }
      await pipeline.close();
      await announcer?.close();
      await http.close();
      await undo[0]?.();
    },
  };
}

async function prepareDirectories(files: Files, layout: Layout): Promise<void> {
  try {
    for (const directory of [layout.active, layout.sealing, layout.sessions, layout.outbox, layout.quarantine]) {
      await files.makeDirectory(directory);
    }
    await files.syncDirectory(layout.root);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new StartError(`LOG_DIR ${layout.root} can't be used: ${reason}`, EXIT_CONFIGURATION, error);
  }
}

async function recover(files: Files, layout: Layout, logger: Logger, report: RepairReport): Promise<Recovered> {
  const startedAt = performance.now();
  const recovered = await new Recovery(files, layout, report).run().catch((error: unknown) => {
    throw error instanceof ManifestTooNew
      ? new StartError(error.message, EXIT_CONFIGURATION, error)
      : recoveryError(layout.root, error);
  });
  const { active, sealed } = recovered;
  const ms = Math.round(performance.now() - startedAt);
  logger.info({ active: active.length, sealed: sealed.length, ms }, 'recovered');
  return recovered;
}

function adopt(recovered: Recovered, registry: SessionRegistry, pipeline: SealingPipeline, clock: Clock): void {
  const nowMs = clock.monotonicMs();
  const wallMs = clock.wallMs();
  for (const segment of recovered.sealed) {
    pipeline.accept(segment);
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

async function openOutbox(config: Config, options: ConstructorParameters<typeof Outbox>[0]): Promise<Outbox | null> {
  if (config.redisUrl === null) {
    return null;
  }
  const outbox = new Outbox(options);
  await outbox.open().catch((error: unknown) => {
    throw recoveryError(options.layout.root, error);
  });
  return outbox;
}

function createAnnouncer(
  config: Config,
  outbox: Outbox,
  { clock, logger }: Required<ServiceParts>,
  metrics: Metrics,
): Announcer {
  const publisher = createRedisPublisher({
    url: config.redisUrl ?? '',
    mode: config.redisMode,
    key: config.redisKey,
    format: config.redisFormat,
    clock,
    logger,
  });
  return new Announcer({ outbox, publisher, clock, logger, metrics });
}
