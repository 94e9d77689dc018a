import {
  type ChannelOptions,
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import type { Intake } from '../session/intake.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { WriteLogResponse } from './generated/logging/v1/WriteLogResponse.js';
import { Health } from './health.js';
import { LOG_SERVICE, logServiceDefinition } from './log-service.js';
import { readMessagesWith } from './message-reader.js';
import { addReflection } from './reflection.js';
import { WriteLogStream } from './write-log-stream.js';

/** An agent that is done half-closes within moments; one that streams for ever is told to come back. */
const DRAIN_GRACE_MS = 2000;

const REFLECTED = [
  LOG_SERVICE,
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];

type WriteLogCall = ServerReadableStream<Buffer, WriteLogResponse>;
type WriteLogRespond = sendUnaryData<WriteLogResponse>;

export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly maxFrameBytes: number;
  readonly durable: boolean;
  readonly descriptorSet: Buffer;
  readonly newIntake: () => Intake;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The server without its services: what the ceiling of the benchmark is measured with, too. */
export function createServer(maxFrameBytes: number): Server {
  const limits = new Map([[logServiceDefinition.WriteLogStream.path, maxFrameBytes]]);
  const options: ChannelOptions = {
    // For all but frames, which have a reader of their own; and how far a compressed one inflates before anybody sees it.
    'grpc.max_receive_message_length': 2 * maxFrameBytes,
    'grpc.enable_channelz': 0,
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
  readonly #health = new Health([LOG_SERVICE]);
  readonly #streams = new Set<WriteLogStream>();
  #draining = false;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#server = createServer(options.maxFrameBytes);
    this.#server.addService(logServiceDefinition, {
      WriteLogStream: (call: WriteLogCall, respond: WriteLogRespond) => this.#writeLogStream(call, respond),
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
    for (const stream of this.#streams) {
      stream.shutDown();
    }
    await Promise.all(Array.from(this.#streams, (stream) => stream.ended));
    // Statuses are on their way out of the sockets' buffers.
    await new Promise((resolve) => setTimeout(resolve, 50));
    this.#server.forceShutdown();
  }

  #writeLogStream(call: WriteLogCall, respond: WriteLogRespond): void {
    const { newIntake, durable, metrics, logger } = this.#options;
    const stream = new WriteLogStream(call, respond, {
      newIntake,
      durable,
      refused: (problem: FrameProblem) => metrics.framesRefused.inc({ reason: problem.field }),
      handled: (code) => metrics.grpcHandled.inc({ grpc_method: 'WriteLogStream', grpc_code: status[code] }),
      failed: (error) => logger.error({ err: error }, 'a session could not be opened'),
    });
    this.#streams.add(stream);
    void stream.ended.then(() => this.#streams.delete(stream));
    if (this.#draining) {
      stream.shutDown();
    }
  }

  async #allEndedWithin(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.all(Array.from(this.#streams, (stream) => stream.ended)), grace]);
    clearTimeout(timer);
  }
}
