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
import { StorageError } from '../segment/storage-error.js';
import { Overload } from '../session/admission.js';
import { Conflict, LookupFailed } from '../session/conflict.js';
import type { Intake } from '../session/intake.js';
import { ConflictLog } from '../telemetry/conflict-log.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { SessionInfo } from './generated/logging/v1/SessionInfo.js';
import type { WriteLogAck } from './generated/logging/v1/WriteLogAck.js';
import type { WriteLogResponse } from './generated/logging/v1/WriteLogResponse.js';
import { GET_SESSION_BYTES_MAX, getSession, type SessionSources } from './get-session.js';
import { Health } from './health.js';
import { LOG_READER, logReaderDefinition } from './log-reader.js';
import { LOG_SERVICE, logServiceDefinition } from './log-service.js';
import { readMessagesWith } from './message-reader.js';
import { addReflection } from './reflection.js';
import type { WriteCall, WriteCallParts } from './write-call.js';
import { WriteLogBatches } from './write-log-batches.js';
import { WriteLogStream } from './write-log-stream.js';

/** An agent that is done half-closes within moments; one that streams for ever is told to come back. */
const DRAIN_GRACE_MS = 2000;
const STREAMS_PER_CONNECTION_MAX = 1000;
/** A health check or a question to the reflection names a service or a symbol. */
const SMALL_REQUEST_BYTES_MAX = 4096;

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
  readonly maxFrameBytes: number;
  readonly durable: boolean;
  readonly descriptorSet: Buffer;
  readonly newIntake: () => Intake;
  readonly sessions: SessionSources;
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
export function createServer(maxFrameBytes: number): Server {
  const limits = new Map([
    [logServiceDefinition.WriteLogStream.path, maxFrameBytes],
    [logServiceDefinition.WriteLogBatches.path, maxBatchBytes(maxFrameBytes)],
    [logReaderDefinition.GetSession.path, GET_SESSION_BYTES_MAX],
    ['/grpc.health.v1.Health/Check', SMALL_REQUEST_BYTES_MAX],
    ['/grpc.health.v1.Health/Watch', SMALL_REQUEST_BYTES_MAX],
    ['/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', SMALL_REQUEST_BYTES_MAX],
    ['/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', SMALL_REQUEST_BYTES_MAX],
  ]);
  // It prints what clients send, raw, beside the service's own log.
  setLogVerbosity(logVerbosity.NONE);
  const options: ChannelOptions = {
    // For all but frames, which have a reader of their own; and how far a compressed one inflates before anybody sees it.
    'grpc.max_receive_message_length': maxBatchBytes(maxFrameBytes),
    'grpc.enable_channelz': 0,
    // Each open stream may hold an unfinished message.
    'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION_MAX,
    // An agent behind a cut line is noticed after time + timeout.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.keepalive_permit_without_calls': 1,
  };
  return new Server({ ...options, interceptors: [readMessagesWith(limits)] });
}

/** The gRPC side of the house: the log service, health, reflection. */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #server: Server;
  readonly #health = new Health([LOG_SERVICE, LOG_READER]);
  readonly #calls = new Set<WriteCall>();
  readonly #conflicts: ConflictLog;
  #draining = false;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#conflicts = new ConflictLog(options.logger, () => performance.now());
    this.#server = createServer(options.maxFrameBytes);
    this.#server.addService(logServiceDefinition, {
      WriteLogStream: (
        call: ServerReadableStream<Buffer, WriteLogResponse>,
        respond: sendUnaryData<WriteLogResponse>,
      ) => this.#track(new WriteLogStream(call, respond, this.#parts('WriteLogStream'))),
      WriteLogBatches: (call: ServerDuplexStream<Buffer, WriteLogAck>) =>
        this.#track(new WriteLogBatches(call, this.#parts('WriteLogBatches'), maxBatchBytes(options.maxFrameBytes))),
    });
    this.#server.addService(logReaderDefinition, {
      GetSession: (call: ServerUnaryCall<Buffer, SessionInfo>, respond: sendUnaryData<SessionInfo>) => {
        const { handled, failed } = this.#parts('GetSession');
        void getSession(call, respond, { sources: options.sessions, handled, failed });
      },
    });
    this.#health.addTo(this.#server);
    addReflection(this.#server, options.descriptorSet, REFLECTED);
  }

  /** Resolves to the port. @throws when the address can't be had */
  listen(): Promise<number> {
    const { host, port } = this.#options;
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) {
          resolve(bound);
        } else {
          reject(error);
        }
      });
    });
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
    this.#server.tryShutdown(() => undefined);
    await this.#allEndedWithin(DRAIN_GRACE_MS);
    for (const call of this.#calls) {
      call.shutDown();
    }
    await Promise.all(Array.from(this.#calls, (call) => call.ended));
    // Statuses are on their way out of the sockets' buffers.
    await new Promise((resolve) => setTimeout(resolve, 50));
    this.#server.forceShutdown();
  }

  /** A call ends before the server does: it is told when that goes down. */
  #track(call: WriteCall): void {
    this.#calls.add(call);
    void call.ended.then(() => this.#calls.delete(call));
    if (this.#draining) {
      call.shutDown();
    }
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
        // The disk's own failures are logged where they happen, and an overload is the metrics' business.
        if (!(error instanceof StorageError || error instanceof Overload)) {
          const what =
            error instanceof LookupFailed ? 'stored lines could not be read' : 'a session could not be opened';
          logger.error({ err: error }, what);
        }
      },
    };
  }

  async #allEndedWithin(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.all(Array.from(this.#calls, (call) => call.ended)), grace]);
    clearTimeout(timer);
  }
}
