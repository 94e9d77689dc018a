/** One at a time per key, first come, first served; whoever goes away while it waits leaves nothing behind. */
export class Turns {
  /** Those who wait, behind the one whose turn it is. */
  readonly #waiting = new Map<string, Set<() => void>>();

  /**
   * Runs `work` when everything of that key that came before has ended.
   * @throws the signal's reason when it is aborted before that
   */
  async run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      this.#waiting.set(key, new Set());
    } else {
      await comeUp(waiting, signal);
    }
    try {
      return await work();
    } finally {
      this.#next(key);
    }
  }

  #next(key: string): void {
    const waiting = this.#waiting.get(key);
    for (const start of waiting ?? []) {
      waiting?.delete(start);
      start();
      return;
    }
    this.#waiting.delete(key);
  }
}

function comeUp(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      waiting.delete(start);
      reject(signal.reason as Error);
    };
    const start = (): void => {
      signal.removeEventListener('abort', leave);
      resolve();
    };
    waiting.add(start);
    signal.addEventListener('abort', leave, { once: true });
  });
}
