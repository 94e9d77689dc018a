import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from './config.js';
import { openCore } from './core.js';
import { PROTOS_DIRECTORY } from './grpc/log-service.js';
import { GrpcServer } from './grpc/server.js';
import { startHttpServer } from './http/server.js';
import { listSegments } from './reading/segment-list.js';
import { listSessions, summarizeSession } from './reading/session-list.js';
import type { SessionDirectory } from './reading/session-listings.js';
import type { Publisher } from './sealing/announcer.js';
import { createRedisPublisher } from './sealing/redis-announcer.js';
import { type Clock, systemClock } from './segment/clock.js';
import { acquireDirectoryLock } from './segment/directory-lock.js';
import type { Files } from './segment/files.js';
import { FormatTooNew } from './segment/format-too-new.js';
import { type Layout, layoutOf } from './segment/layout.js';
import { nodeFiles } from './segment/node-files.js';
import { prepareDirectories } from './segment/prepare-directories.js';
import { EXIT_CONFIGURATION, listenError, recoveryError, StartError } from './start-error.js';
import { systemReason } from './system-reason.js';
import type { Logger } from './telemetry/logger.js';
import { loopBusyShare } from './telemetry/loop-load.js';
import { Metrics } from './telemetry/metrics.js';

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
  await prepareDirectories(files, layout).catch((error: unknown) => {
    throw unusable(layout, error);
  });
  const lock = await acquireDirectoryLock(config.logDir).catch((error: unknown) => {
    throw new StartError((error as Error).message, EXIT_CONFIGURATION, error);
  });
  const undo: (() => Promise<void>)[] = [() => lock.release()];
  try {
    return await startLocked(config, layout, { ...parts, files, clock: parts.clock ?? systemClock }, undo);
  } catch (error) {
    for (const step of undo.toReversed()) {
      // What can't be undone, on a disk that fails, must not hide why: the process ends, and the lock with it.
      await step().catch(() => undefined);
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
  const { logger, files, clock, version } = parts;
  const metrics = new Metrics({ version });
  const publisher = createPublisher(config, parts);
  const core = await openCore(config, {
    logger,
    metrics,
    files,
    clock,
    publisher,
    busyShare: loopBusyShare(),
  }).catch((error: unknown) => {
    throw error instanceof FormatTooNew
      ? new StartError(error.message, EXIT_CONFIGURATION, error)
      : recoveryError(layout.root, error);
  });
  const { sessions, pipeline, outbox, announcer } = core;
  undo.push(() => pipeline.close());

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
  const directory: SessionDirectory = {
    summarize: (sessionId) => summarizeSession(core.files, layout, sessionId),
    completionOf: (sessionId) => core.completions.of(sessionId),
    listSessions: (prefix, afterName) => listSessions(core.files, layout, prefix, afterName),
    listSegments: (query) =>
      listSegments(core.files, layout, query, (path, error) => {
        logger.warn(
          { path, err: error },
          "A manifest can't be read: its segment is left out of the list. `logweir verify` says more.",
        );
      }),
  };
  const { httpHost, httpPort } = config;
  const endpoint = { host: httpHost, port: httpPort, maxConnections: config.maxHttpConnections };
  const http = await startHttpServer({
    ...endpoint,
    logger,
    metrics,
    readiness,
    source: core.logs,
    sessions: { ...directory, completeSession: core.completeSession },
  }).catch((error: unknown) => {
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
    reading: {
      ...directory,
      logs: core.logs,
      position: (sessionId, producerId) => sessions.registry.position(sessionId, producerId),
    },
    completeSession: core.completeSession,
    logger,
    metrics,
  });
  const grpcPort = await grpc.listen().catch((error: unknown) => {
    throw listenError('GRPC', config.grpcHost, config.grpcPort, error);
  });
  core.start();
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
      for (const { sessionId, error } of await core.drain()) {
        logger.error({ session: sessionId, err: error }, 'a session could not be written before the end');
      }
      await http.close();
      await undo[0]?.();
    },
  };
}

function unusable(layout: Layout, cause: unknown): StartError {
  return new StartError(
    `LOG_DIR ${layout.root} can't be used: ${systemReason(cause as NodeJS.ErrnoException)}`,
    EXIT_CONFIGURATION,
    cause,
  );
}

function createPublisher(config: Config, { clock, logger }: Required<ServiceParts>): Publisher | null {
  if (config.redisUrl === null) {
    return null;
  }
  return createRedisPublisher({
    url: config.redisUrl,
    mode: config.redisMode,
    key: config.redisKey,
    format: config.redisFormat,
    clock,
    logger,
  });
}
