import { fileURLToPath } from 'node:url';
import { type ChannelOptions, Client, credentials, Metadata, type MethodDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { CompleteSessionRequest } from '../grpc/generated/logging/v1/CompleteSessionRequest.js';
import type { CompleteSessionResponse__Output as CompleteSessionResponse } from '../grpc/generated/logging/v1/CompleteSessionResponse.js';
import type { SessionCompletion } from './complete-session.js';
import { type BatchStreamEvents, LogBatchStream, type WriteBatchesMethod } from './log-batch-stream.js';
import { WriteError } from './write-error.js';

export const CONNECT_TIMEOUT_MS = 5_000;

/** protos/ is shipped beside dist/ and stands beside src/: two levels up from here in both. */
const PROTOS = fileURLToPath(new URL('../../protos/', import.meta.url));

const CHANNEL_OPTIONS: ChannelOptions = {
  // grpc-js sends no keepalive unless told; without it a frozen server holds a stream for ever.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // A server that is just starting, or restarting, is found within a moment of being there.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // Its retries would buffer what was written a second time; frames are sent again by FrameProducer.
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
};

/** One connection to a server; it comes back by itself after it broke. Plaintext. */
export class LogConnection {
  /** `HOST:PORT` */
  readonly server: string;
  readonly #client: Client;
  readonly #methods: Methods;

  private constructor(server: string) {
    this.server = server;
    this.#methods = loadMethods();
    this.#client = new Client(server, credentials.createInsecure(), CHANNEL_OPTIONS);
  }

  /**
   * Connects, and makes sure that what answers is a logweir that takes frames.
   * @throws WriteError
   */
  static async open(server: string, timeoutMs = CONNECT_TIMEOUT_MS): Promise<LogConnection> {
    const connection = new LogConnection(server);
    try {
      await connection.ready(timeoutMs);
      const probe = connection.openStream(timeoutMs, { acknowledged: () => undefined, room: () => undefined });
      probe.end(timeoutMs);
      await probe.ended;
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /**
   * Resolves when there is a connection.
   * @throws WriteError UNREACHABLE after `timeoutMs`
   */
  ready(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeoutMs, (error) => {
        if (error === undefined) {
          resolve();
        } else {
          reject(WriteError.unreachable(this.server, error));
        }
      });
    });
  }

  /** A new WriteLogBatches call. `timeoutMs`: the longest that it may take in and acknowledge nothing. */
  openStream(timeoutMs: number, events: BatchStreamEvents): LogBatchStream {
    return new LogBatchStream(this.#client, this.#methods.writeBatches, { server: this.server, timeoutMs, events });
  }

  /**
   * One CompleteSession call. Resolves to the session's last seq.
   * @param signal cancels it
   * @throws grpc-js' ServiceError
   */
  complete(completion: SessionCompletion, timeoutMs: number, signal: AbortSignal): Promise<number> {
    const { path, requestSerialize, responseDeserialize } = this.#methods.completeSession;
    const { sessionId, status, exitCode } = completion;
    const request = { session_id: sessionId, status, ...(exitCode === null ? {} : { exit_code: exitCode }) };
    const deadline = Date.now() + Math.max(1, timeoutMs);
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        { deadline },
        (error, response) => {
          signal.removeEventListener('abort', cancel);
          if (error === null && response !== undefined) {
            resolve(response.last_seq);
          } else {
            reject(error ?? new Error('an answer without a message'));
          }
        },
      );
      const cancel = (): void => call.cancel();
      signal.addEventListener('abort', cancel, { once: true });
    });
  }

  /** Ends what is open. */
  close(): void {
    this.#client.close();
  }
}

interface Methods {
  readonly writeBatches: WriteBatchesMethod;
  readonly completeSession: MethodDefinition<CompleteSessionRequest, CompleteSessionResponse>;
}

function loadMethods(): Methods {
  const definition = loadSync('services/logging/v1/logging.proto', {
    includeDirs: [PROTOS],
    keepCase: true,
    longs: Number,
    defaults: true,
    arrays: true,
  });
  const service = definition['logging.v1.LogService'] as unknown as Partial<{
    WriteLogBatches: WriteBatchesMethod;
    CompleteSession: Methods['completeSession'];
  }>;
  const { WriteLogBatches: writeBatches, CompleteSession: completeSession } = service;
  if (writeBatches === undefined || completeSession === undefined) {
    throw new Error('logging.proto lacks a method of LogService');
  }
  // Batches are encoded when their frames come.
  return { writeBatches: { ...writeBatches, requestSerialize: (bytes) => bytes }, completeSession };
}
