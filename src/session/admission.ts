import type { Clock } from '../segment/clock.js';

/** How long a stream may stay over a budget before it is refused. */
const PATIENCE_MS = 5000;

/** More came than can be stored; the sender should wait and try again. */
export class Overload extends Error {
  constructor() {
    super('too many bytes wait to be stored');
    this.name = 'Overload';
  }
}

/**
 * The byte budget of everything that is encoded and held in memory.
 *
 * *Rule*: nobody takes a frame while `over`, so the budget is passed by at most the frames that were being taken then. Who
 * has to wait does not read its stream; HTTP/2 flow control then reaches the agent. Who waits too long is refused.
 */
export class Admission {
  readonly #limit: number;
  readonly #clock: Clock;
  #bytes = 0;
  #waiting = new Set<() => void>();

  constructor(limit: number, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get over(): boolean {
    return this.#bytes > this.#limit;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#waiting.size > 0 && !this.over) {
      this.releaseAll();
    }
  }

  /** Resolves when the process is within its budget. @throws Overload */
  whenBelow(): Promise<void> {
    let resume: () => void = () => undefined;
    const below = new Promise<void>((resolve) => {
      resume = resolve;
      this.#waiting.add(resume);
    });
    return this.patiently(below).finally(() => this.#waiting.delete(resume));
  }

  /** `ready`, or a refusal when that takes too long. @throws Overload, and what `ready` throws */
  async patiently(ready: Promise<void>): Promise<void> {
    let cancel: () => void = () => undefined;
    const impatience = new Promise<never>((_resolve, reject) => {
      cancel = this.#clock.after(PATIENCE_MS, () => reject(new Overload()));
    });
    try {
      await Promise.race([ready, impatience]);
    } finally {
      cancel();
    }
  }

  /** Lets everybody go on, for closing. */
  releaseAll(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const resume of waiting) {
      resume();
    }
  }
}
