import {
  type ChannelOptions,
  logVerbosity,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type sendUnaryData,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js';
import type { Clock } from '../segment/clock.js';
import { StorageError } from '../segment/storage-error.js';
import { Overload } from '../session/admission.js';
import { Conflict, LookupFailed } from '../session/conflict.js';
import type { Intake } from '../session/intake.js';
import { ConflictLog } from '../telemetry/conflict-log.js';
import type { Logger } from '../telemetry/logger.js';
import type { GrpcUsage, Metrics } from '../telemetry/metrics.js';
import { COMPLETE_SESSION_BYTES_MAX, type CompleteSession, completeSession } from './complete-session.js';
import { Connections } from './connections.js';
import type { CompleteSessionResponse } from './generated/logging/v1/CompleteSessionResponse.js';
import type { WriteLogAck } from './generated/logging/v1/WriteLogAck.js';
import type { WriteLogResponse } from './generated/logging/v1/WriteLogResponse.js';
import { GET_SESSION_BYTES_MAX } from './get-session.js';
import { setHttp2Options } from './grpc-js-internals.js';
import { Health } from './health.js';
import { Inflater } from './inflater.js';
import { LIST_REQUEST_BYTES_MAX } from './list-sessions.js';
import { LOG_READER, logReaderDefinition } from './log-reader.js';
import { LOG_SERVICE, logServiceDefinition } from './log-service.js';
import { readMessagesWith } from './read-messages.js';
import { ReaderService, type ReaderSources } from './reader-service.js';
import { ReceiveBudget } from './receive-budget.js';
import { addReflection } from './reflection.js';
import { shuttingDown, tooManyStreams } from './status.js';
import { type DeadlineLimits, StreamDeadlines } from './stream-deadlines.js';
import { STREAM_REQUEST_BYTES_MAX } from './stream-session-logs.js';
import { answerUnary, goneSignal } from './unary-call.js';
import type { WriteCall, WriteCallParts } from './write-call.js';
import { WriteLogBatches } from './write-log-batches.js';
import { WriteLogStream } from './write-log-stream.js';

/** An agent that is done half-closes within moments; one that streams for ever is told to come back. */
const DRAIN_GRACE_MS_MAX = 2000;
/** All methods but those that bring frames: a name of a service, a symbol or a session, a filter. */
const SMALL_REQUEST_BYTES_MAX = 4096;
const HEADERS_MAX = 64;
const REFUSAL_LOG_INTERVAL_MS = 60_000;

/** Methods whose handlers write messages that have their headers. */
const WHOLE_MESSAGES: ReadonlySet<string> = new Set([logReaderDefinition.StreamSessionLogs.path]);

const REFLECTED = [
  LOG_SERVICE,
  LOG_READER,
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];

/** What peers may use: the variables of src/connection-variables.ts. */
export interface GrpcLimits extends DeadlineLimits {
  readonly shutdownDeadlineSeconds: number;
  readonly maxFrameBytes: number;
  readonly maxConnections: number;
  readonly maxStreams: number;
  readonly maxStreamsPerConnection: number;
  readonly maxReaders: number;
  readonly maxMetadataBytes: number;
  readonly maxReceiveBytes: number;
  readonly handshakeSeconds: number;
  readonly keepaliveSeconds: number;
  readonly keepaliveTimeoutSeconds: number;
  readonly connectionIdleSeconds: number;
}

export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly limits: GrpcLimits;
  readonly durable: boolean;
  readonly descriptorSet: Buffer;
  readonly newIntake: (flow: object) => Intake;
  readonly reading: ReaderSources;
  readonly completeSession: CompleteSession;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What a client may always send as one batch, whatever LOG_MAX_FRAME_BYTES: it can't know that. */
const BATCH_BYTES_MIN = 256 * 1024;

/** A batch holds at least four frames of the largest size. */
function maxBatchBytes(maxFrameBytes: number): number {
  return Math.max(BATCH_BYTES_MIN, 4 * maxFrameBytes);
}

/** The server without its services: what the ceiling of the benchmark is measured with, too. */
export function createServer(limits: GrpcLimits, budget: ReceiveBudget): Server {
  const { maxFrameBytes, connectionIdleSeconds, connectionAgeSeconds } = limits;
  const messageLimits = new Map([
    [logServiceDefinition.WriteLogStream.path, maxFrameBytes],
    [logServiceDefinition.WriteLogBatches.path, maxBatchBytes(maxFrameBytes)],
    [logServiceDefinition.CompleteSession.path, COMPLETE_SESSION_BYTES_MAX],
    [logReaderDefinition.GetSession.path, GET_SESSION_BYTES_MAX],
    [logReaderDefinition.StreamSessionLogs.path, STREAM_REQUEST_BYTES_MAX],
    [logReaderDefinition.ListSessions.path, LIST_REQUEST_BYTES_MAX],
    [logReaderDefinition.ListSegments.path, LIST_REQUEST_BYTES_MAX],
  ]);
  const receiving = { budget, inflater: new Inflater() };
  // It prints what clients send, raw, beside the service's own log.
  setLogVerbosity(logVerbosity.NONE);
  const options: ChannelOptions = {
    'grpc.enable_channelz': 0,
    'grpc.max_concurrent_streams': limits.maxStreamsPerConnection,
    // An agent behind a cut line is noticed after time + timeout.
    'grpc.keepalive_time_ms': limits.keepaliveSeconds * 1000,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutSeconds * 1000,
    ...(connectionIdleSeconds > 0 && { 'grpc.max_connection_idle_ms': connectionIdleSeconds * 1000 }),
    ...(connectionAgeSeconds > 0 && {
      'grpc.max_connection_age_ms': connectionAgeSeconds * 1000,
      'grpc.max_connection_age_grace_ms': limits.connectionAgeGraceSeconds * 1000,
    }),
  };
  const interceptors = [readMessagesWith(messageLimits, SMALL_REQUEST_BYTES_MAX, receiving, WHOLE_MESSAGES)];
  const server = new Server({ ...options, interceptors });
  setHttp2Options(server, {
    settings: { maxHeaderListSize: limits.maxMetadataBytes },
    maxHeaderListPairs: HEADERS_MAX,
  });
  return server;
}

/** The gRPC side of the house: the log service, health, reflection. */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #server: Server;
  readonly #health = new Health([LOG_SERVICE, LOG_READER]);
  readonly #calls = new Set<WriteCall>();
  /** Of calls with one request and one answer. */
  readonly #answering = new Set<Promise<void>>();
  readonly #conflicts: ConflictLog;
  readonly #budget: ReceiveBudget;
  readonly #connections: Connections;
  readonly #deadlines: StreamDeadlines;
  readonly #readers: ReaderService;
  #refusalLoggedAtMs = Number.NEGATIVE_INFINITY;
  #draining = false;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#conflicts = new ConflictLog(options.logger, () => performance.now());
    const { limits, clock, metrics } = options;
    this.#budget = new ReceiveBudget(limits.maxReceiveBytes, clock);
    this.#server = createServer(limits, this.#budget);
    this.#server.addService(logServiceDefinition, {
      WriteLogStream: (
        call: ServerReadableStream<Buffer, WriteLogResponse>,
        respond: sendUnaryData<WriteLogResponse>,
      ) => this.#track(new WriteLogStream(call, respond, this.#parts('WriteLogStream'))),
      WriteLogBatches: (call: ServerDuplexStream<Buffer, WriteLogAck>) =>
        this.#track(new WriteLogBatches(call, this.#parts('WriteLogBatches'), maxBatchBytes(limits.maxFrameBytes))),
      CompleteSession: (
        call: ServerUnaryCall<Buffer, CompleteSessionResponse>,
        respond: sendUnaryData<CompleteSessionResponse>,
      ) => {
        const method = completeSession(options.completeSession, goneSignal(call));
        this.#answers(answerUnary(call, respond, method, this.#parts('CompleteSession')));
      },
    });
    this.#readers = new ReaderService({
      sources: options.reading,
      maxReaders: limits.maxReaders,
      connectionCloseMs: limits.connectionAgeSeconds > 0 ? limits.connectionAgeGraceSeconds * 500 : null,
      answers: (answering) => this.#answers(answering),
      clock,
      logger: options.logger,
      metrics,
    });
    this.#readers.addTo(this.#server);
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#connections = new Connections({
      max: limits.maxConnections,
      handshakeMs: limits.handshakeSeconds * 1000,
      clock,
      accept: (socket) => injector.injectConnection(socket),
      refused: (reason) => this.#refused(reason),
    });
    this.#deadlines = new StreamDeadlines(limits, clock, (reason) => metrics.streamsEnded.inc({ reason }));
    metrics.observeGrpc(() => this.#usage);
    this.#health.addTo(this.#server);
    addReflection(this.#server, options.descriptorSet, REFLECTED);
  }

  /** Connections, streams of frames, and bytes of messages that are not taken yet. */
  get #usage(): GrpcUsage {
    return {
      connections: this.#connections.count,
      streams: this.#calls.size,
      readers: this.#readers.openReaders,
      receiveBytes: this.#budget.bytes,
    };
  }

  /** Resolves to the port. @throws when the address can't be had */
  listen(): Promise<number> {
    return this.#connections.listen(this.#options.host, this.#options.port);
  }

  get openCalls(): number {
    return this.#calls.size;
  }

  setServing(serving: boolean): void {
    this.#health.setServing(serving && !this.#draining);
  }

  /**
   * Takes no new calls, gives open streams a moment to finish, answers the rest UNAVAILABLE once what they sent is
   * durable, and closes.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#health.setServing(false);
    this.#connections.stop();
    this.#server.tryShutdown(() => undefined);
    await this.#readers.drain();
    // The other half is for writing, syncing and answering.
    await this.#allEndedWithin(Math.min(DRAIN_GRACE_MS_MAX, this.#options.limits.shutdownDeadlineSeconds * 500));
    for (const call of this.#calls) {
      call.giveUp(shuttingDown);
    }
    await Promise.all(Array.from(this.#calls, (call) => call.ended));
    // Statuses are on their way out of the sockets' buffers.
    await new Promise((resolve) => setTimeout(resolve, 50));
    this.#deadlines.stop();
    this.#server.forceShutdown();
    this.#connections.destroyAll();
  }

  /** A call ends before the server does: it is told when that goes down. */
  #track(call: WriteCall): void {
    const { limits, metrics } = this.#options;
    if (this.#calls.size >= limits.maxStreams) {
      metrics.streamsEnded.inc({ reason: 'limit' });
      call.giveUp(tooManyStreams);
      return;
    }
    this.#calls.add(call);
    this.#deadlines.watch(call);
    void call.ended.then(() => this.#calls.delete(call));
    if (this.#draining) {
      call.giveUp(shuttingDown);
    }
  }

  #answers(answering: Promise<void>): void {
    this.#answering.add(answering);
    void answering.finally(() => this.#answering.delete(answering));
  }

  #parts(method: string): WriteCallParts {
    const { newIntake, durable, metrics, logger } = this.#options;
    return {
      newIntake,
      durable,
      refused: (problem) => {
        const isConflict = problem instanceof Conflict;
        metrics.framesRefused.inc({ reason: isConflict ? 'conflict' : problem.field });
        if (isConflict) {
          this.#conflicts.refused(problem);
        }
      },
      handled: (code) => metrics.grpcHandled.inc({ grpc_method: method, grpc_code: status[code] }),
      failed(error) {
        if (error instanceof Overload) {
          metrics.streamsEnded.inc({ reason: 'overload' });
        }
        // The disk's own failures are logged where they happen, and an overload is the metrics' business.
        if (!(error instanceof StorageError || error instanceof Overload)) {
          const what =
            error instanceof LookupFailed ? 'stored lines could not be read' : 'a session could not be opened';
          logger.error({ err: error }, what);
        }
      },
    };
  }

  /** Said once a minute: whoever attacks must not fill the log as well. */
  #refused(reason: 'limit' | 'handshake'): void {
    const { clock, metrics, logger, limits } = this.#options;
    metrics.connectionsRefused.inc({ reason });
    const nowMs = clock.monotonicMs();
    if (reason === 'limit' && nowMs - this.#refusalLoggedAtMs >= REFUSAL_LOG_INTERVAL_MS) {
      this.#refusalLoggedAtMs = nowMs;
      const sentence = 'connections are refused: as many are open as GRPC_MAX_CONNECTIONS allows';
      logger.warn({ connections: limits.maxConnections }, sentence);
    }
  }

  async #allEndedWithin(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    const ended = Promise.all([...Array.from(this.#calls, (call) => call.ended), ...this.#answering]);
    await Promise.race([ended, grace]);
    clearTimeout(timer);
  }
}
