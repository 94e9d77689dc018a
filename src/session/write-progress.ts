import type { StorageError } from '../segment/storage-error.js';
import { MarkWaiters } from './mark-waiters.js';
import type { WriterContext } from './writer-context.js';

/**
 * How far a session has come, in marks: bytes since its writer was made. Appended ≥ written ≥ durable; memory is given back when
 * bytes are durable (with LOG_FSYNC=never when they are written).
 */
export class WriteProgress {
  readonly durable = new MarkWaiters();
  readonly released = new MarkWaiters();
  /** In cuts: segments that lie under sealing/, in order. */
  readonly sealed = new MarkWaiters();
  readonly #context: WriterContext;
  #written = 0;
  /** Monotonic milliseconds: arrival of the oldest frame that is written and not durable. */
  #oldestMs: number | null = null;

  constructor(context: WriterContext) {
    this.#context = context;
  }

  /** Whether anybody waits for bytes that are written. */
  get isAwaited(): boolean {
    return this.durable.anyUpTo(this.#written);
  }

  /** Whether anybody waits for bytes or cuts, written or not. */
  get isUrgent(): boolean {
    return this.durable.any || this.sealed.any;
  }

  /** @param sinceMs when the first of their lines came */
  wrote(bytes: number, sinceMs: number): void {
    this.#oldestMs ??= sinceMs;
    this.#written += bytes;
    this.#context.counts.bytesWritten += bytes;
    this.#context.counts.batchesWritten++;
  }

  /** Bytes that were written have to be written again. */
  rewind(bytes: number): void {
    this.#written -= bytes;
  }

  /** Everything written is as durable as it gets. */
  reached(): void {
    const { clock, events, admission } = this.#context;
    if (this.#oldestMs !== null) {
      events.durable((clock.monotonicMs() - this.#oldestMs) / 1000);
      this.#oldestMs = null;
    }
    admission.release(this.#written - this.released.reached);
    this.released.reach(this.#written);
    this.durable.reach(this.#written);
  }

  /** Whoever waits is told. */
  fail(error: StorageError): void {
    for (const waiters of [this.durable, this.released, this.sealed]) {
      waiters.fail(error);
    }
  }
}
