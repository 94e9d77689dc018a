import { type Client, Metadata, type MethodDefinition } from '@grpc/grpc-js';
import type { CompleteSessionRequest } from '../grpc/generated/logging/v1/CompleteSessionRequest.js';
import type { CompleteSessionResponse__Output as CompleteSessionResponse } from '../grpc/generated/logging/v1/CompleteSessionResponse.js';
import { isReady, methodOf, openClient } from './channel.js';
import type { SessionCompletion } from './complete-session.js';
import { type BatchStreamEvents, LogBatchStream, type WriteBatchesMethod } from './log-batch-stream.js';
import { whyUnreachable } from './unreachable.js';
import { WriteError } from './write-error.js';

export const CONNECT_TIMEOUT_MS = 5_000;

interface Methods {
  readonly writeBatches: WriteBatchesMethod;
  readonly completeSession: MethodDefinition<CompleteSessionRequest, CompleteSessionResponse>;
}

/** One connection to a server; it comes back by itself after it broke. Plaintext. */
export class LogConnection {
  /** `HOST:PORT` */
  readonly server: string;
  readonly #client: Client;
  readonly #methods: Methods;

  private constructor(server: string) {
    this.server = server;
    this.#methods = {
      // Batches are encoded when their frames come.
      writeBatches: { ...methodOf('LogService', 'WriteLogBatches'), requestSerialize: (bytes) => bytes },
      completeSession: methodOf('LogService', 'CompleteSession'),
    };
    this.#client = openClient(server);
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
  async ready(timeoutMs: number): Promise<void> {
    const error = await isReady(this.#client, timeoutMs);
    if (error !== null) {
      throw WriteError.unreachable(this.server, await whyUnreachable(this.server), error);
    }
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
