/** Why a reading ended that its user gave up. */
export class ReadingAborted extends Error {
  constructor() {
    super('the reading was given up');
    this.name = 'ReadingAborted';
  }
}

interface Waiter {
  readonly start: () => void;
  readonly signal: AbortSignal | undefined;
  readonly giveUp: () => void;
}

/**
 * How many steps of all readers are at the disk or inflate at the same time: first come, first served. A step is one piece of
 * work with a bounded result, so that a thousand readers take turns, and leave the threads of the pool to writes and syncs.
 */
export class ReadPlaces {
  readonly #placesMax: number;
  readonly #waiting: Waiter[] = [];
  #taken = 0;

  constructor(placesMax: number) {
    this.#placesMax = placesMax;
  }

  /** Steps under way and waiting. */
  get busy(): number {
    return this.#taken + this.#waiting.length;
  }

  /**
   * Runs `work` when there is a place. What has begun when `signal` aborts goes on to its end by itself: it closes what it opened.
   * @throws ReadingAborted at once when `signal` aborts, and what `work` throws
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return unlessAborted(this.#inTurn(work, signal), signal);
  }

  async #inTurn<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#taken < this.#placesMax) {
      this.#taken++;
    } else {
      // Whoever ends hands its place on.
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push({ start: resolve, signal, giveUp: () => reject(new ReadingAborted()) });
      });
    }
    try {
      return await work();
    } finally {
      this.#handOn();
    }
  }

  #handOn(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.signal?.aborted !== true) {
        next.start();
        return;
      }
      next.giveUp();
    }
    this.#taken--;
  }
}

/** @throws ReadingAborted as soon as `signal` aborts; `work` goes on without anybody who waits for it */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) {
    return work;
  }
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(new ReadingAborted());
    if (signal.aborted) {
      abort();
    } else {
      signal.addEventListener('abort', abort, { once: true });
    }
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (abort !== undefined) {
      signal.removeEventListener('abort', abort);
    }
  }
}
