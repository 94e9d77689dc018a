import {
  type Client,
  type ClientDuplexStream,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { WriteLogAck__Output as WriteLogAck } from '../grpc/generated/logging/v1/WriteLogAck.js';
import { WriteError } from './write-error.js';

export type WriteBatchesMethod = MethodDefinition<Buffer, WriteLogAck>;

export interface BatchStreamEvents {
  acknowledged(ack: WriteLogAck): void;
  /** There is room again after there was none. */
  room(): void;
}

/**
 * One WriteLogBatches call.
 *
 * *Ordering*: batches reach the server in the order of `write`, acknowledgements come in the order of the batches.
 * *Backpressure*: nothing is to be written without `hasRoom`. That the transport took a batch is no acknowledgement.
 * *Time*: a call that neither takes nor acknowledges anything for `timeoutMs`, with something under way, is given up.
 */
export class LogBatchStream {
  /** Resolves when the server has ended the call with OK. @throws WriteError when it ended in another way */
  readonly ended: Promise<void>;
  readonly #call: ClientDuplexStream<Buffer, WriteLogAck>;
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;
  #isTimedOut = false;
  #isEnding = false;
  #lastWritten = 0;

  constructor(
    client: Client,
    method: WriteBatchesMethod,
    { server, timeoutMs, events }: { server: string; timeoutMs: number; events: BatchStreamEvents },
  ) {
    this.#timeoutMs = timeoutMs;
    const { path, requestSerialize, responseDeserialize } = method;
    this.#call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata());
    this.#call.on('data', (ack: WriteLogAck) => {
      events.acknowledged(ack);
      this.#watch(ack.batch_id < this.#lastWritten);
    });
    this.#call.on('drain', () => events.room());
    // The status says the same.
    this.#call.on('error', () => undefined);
    this.ended = new Promise((resolve, reject) => {
      this.#call.on('status', ({ code, details, metadata }) => {
        clearTimeout(this.#timer);
        if (code === status.OK) {
          resolve();
        } else if (this.#isTimedOut) {
          reject(new WriteError('TIMED_OUT', `logweir at ${server} did not answer in time`));
        } else {
          const error: ServiceError = Object.assign(new Error(details), { code, details, metadata });
          reject(WriteError.fromStatus(error, server));
        }
      });
    });
    // It is awaited when the stream is used up; until then nobody looks.
    this.ended.catch(() => undefined);
  }

  get hasRoom(): boolean {
    return !this.#isEnding && !this.#call.writableNeedDrain && this.#call.writable;
  }

  write(batchId: number, message: Buffer): void {
    if (this.#timer === undefined) {
      this.#watch(true);
    }
    this.#lastWritten = batchId;
    this.#call.write(message, () => this.#timer?.refresh());
  }

  /** Half-closes, and waits so long for the server to end the call. */
  end(patienceMs: number): void {
    if (!this.#isEnding) {
      this.#isEnding = true;
      this.#call.end();
      this.#setTimer(patienceMs);
    }
  }

  /** Ends the call at once; nothing is known about what was not acknowledged. */
  cancel(): void {
    this.#call.cancel();
  }

  #watch(isBusy: boolean): void {
    if (isBusy && !this.#isEnding) {
      this.#setTimer(this.#timeoutMs);
    } else if (!this.#isEnding) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }

  #setTimer(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isTimedOut = true;
      this.#call.cancel();
    }, ms);
  }
}
