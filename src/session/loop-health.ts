import { SyncFailed } from '../segment/active-segment.js';
import { backoffMs } from '../segment/backoff.js';
import { StorageError } from '../segment/storage-error.js';
import type { WriterContext } from './writer-context.js';

const BACKOFF = { firstMs: 100, maxMs: 2000 };

/** Whether a session can store, and for how long it could not. */
export class LoopHealth {
  /** Why it can't, once somebody has to know. */
  error: StorageError | null = null;
  /** In a row, with no sync that succeeded between them. */
  failedSyncs = 0;
  readonly #context: WriterContext;
  readonly #sessionId: string;
  #failures = 0;

  constructor(context: WriterContext, sessionId: string) {
    this.#context = context;
    this.#sessionId = sessionId;
  }

  /** How long to wait before the next attempt. */
  get pauseMs(): number {
    return backoffMs(this.#failures, BACKOFF);
  }

  failed(cause: unknown): StorageError {
    const bySync = cause instanceof SyncFailed;
    const error = StorageError.from(bySync ? cause.cause : cause);
    this.#failures++;
    this.failedSyncs += bySync ? 1 : 0;
    this.#context.events.failed(this.#sessionId, error, bySync);
    return error;
  }

  tell(error: StorageError): void {
    this.error = error;
    this.#context.failing.add(this);
  }

  succeeded(): void {
    if (this.#failures > 0) {
      this.#failures = 0;
      this.error = null;
      this.#context.failing.delete(this);
      this.#context.events.recovered(this.#sessionId);
    }
  }
}
