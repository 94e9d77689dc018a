import type { StorageError } from '../segment/storage-error.js';

interface Waiter {
  readonly mark: number;
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
}

/**
 * Who waits for which byte of a session to be written or durable, or for which of its segments to be sealed. Marks count the
 * session's bytes, or cuts, since its writer was made.
 *
 * *Ordering*: waiters are kept by rising mark, so the first one is the next to be served.
 */
export class MarkWaiters {
  #waiting: Waiter[] = [];
  #reached = 0;

  /** Resolves when `mark` is reached. @throws StorageError when `fail` was called before */
  wait(mark: number): Promise<void> {
    if (mark <= this.#reached) {
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => this.#insert({ mark, resolve, reject }));
  }

  /** Marks mostly come rising: the place is searched from the end. */
  #insert(waiter: Waiter): void {
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1]?.mark ?? 0) > waiter.mark) {
      at--;
    }
    this.#waiting.splice(at, 0, waiter);
  }

  get reached(): number {
    return this.#reached;
  }

  /** Whether anybody waits for bytes that are there up to `written`. */
  anyUpTo(written: number): boolean {
    const first = this.#waiting[0];
    return first !== undefined && first.mark <= written;
  }

  get any(): boolean {
    return this.#waiting.length > 0;
  }

  reach(mark: number): void {
    this.#reached = Math.max(this.#reached, mark);
    let count = 0;
    for (const waiter of this.#waiting) {
      if (waiter.mark > this.#reached) {
        break;
      }
      waiter.resolve();
      count++;
    }
    if (count > 0) {
      this.#waiting = this.#waiting.slice(count);
    }
  }

  fail(error: StorageError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      waiter.reject(error);
    }
  }
}
