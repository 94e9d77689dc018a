import { fileURLToPath } from 'node:url';
import { type ChannelOptions, Client, credentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
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
  readonly #method: WriteBatchesMethod;

  private constructor(server: string) {
    this.server = server;
    this.#method = loadMethod();
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
    return new LogBatchStream(this.#client, this.#method, { server: this.server, timeoutMs, events });
  }

  /** Ends what is open. */
  close(): void {
    this.#client.close();
  }
}

function loadMethod(): WriteBatchesMethod {
  const definition = loadSync('services/logging/v1/logging.proto', {
    includeDirs: [PROTOS],
    keepCase: true,
    longs: Number,
    defaults: true,
    arrays: true,
  });
  const service = definition['logging.v1.LogService'] as unknown as Record<string, WriteBatchesMethod>;
  const method = service['WriteLogBatches'];
  if (method === undefined) {
    throw new Error('logging.proto has no LogService.WriteLogBatches');
  }
  // Batches are encoded when their frames come.
  return { ...method, requestSerialize: (bytes) => bytes };
}
