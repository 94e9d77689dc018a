import {
  type Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { CompleteSession } from '../sealing/completions.js';
import type { Clock } from '../segment/clock.js';
import { StorageError } from '../segment/storage-error.js';
import { Overload } from '../session/admission.js';
import { Conflict, LookupFailed } from '../session/conflict.js';
import type { Flow } from '../session/flow.js';
import type { Intake } from '../session/intake.js';
import { ConflictLog } from '../telemetry/conflict-log.js';
import type { Logger } from '../telemetry/logger.js';
import type { GrpcUsage, Metrics } from '../telemetry/metrics.js';
import { createServer, type GrpcLimits, maxBatchBytes } from './bare-server.js';
import { completeSession } from './complete-session.js';
import { Connections } from './connections.js';
import type { CompleteSessionResponse } from './generated/logging/v1/CompleteSessionResponse.js';
import type { WriteLogAck } from './generated/logging/v1/WriteLogAck.js';
import type { WriteLogResponse } from './generated/logging/v1/WriteLogResponse.js';
import { Health } from './health.js';
import { LOG_READER } from './log-reader.js';
import { LOG_SERVICE, logServiceDefinition } from './log-service.js';
import { ReaderService, type ReaderSources } from './reader-service.js';
import { ReceiveBudget } from './receive-budget.js';
import { addReflection } from './reflection.js';
import { shuttingDown, tooManyStreams } from './status.js';
import { StreamDeadlines } from './stream-deadlines.js';
import { answerUnary, goneSignal } from './unary-call.js';
import type { WriteCall, WriteCallParts } from './write-call.js';
import { WriteLogBatches } from './write-log-batches.js';
import { WriteLogStream } from './write-log-stream.js';

/** An agent that is done half-closes within moments; one that streams for ever is told to come back. */
const DRAIN_GRACE_MS_MAX = 2000;
const REFUSAL_LOG_INTERVAL_MS = 60_000;

const REFLECTED = [
  LOG_SERVICE,
  LOG_READER,
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];

export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly limits: GrpcLimits;
  readonly durable: boolean;
  readonly descriptorSet: Buffer;
  readonly newIntake: (flow: Flow) => Intake;
  readonly reading: ReaderSources;
  readonly completeSession: CompleteSession;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
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
