import { type Clock, systemClock } from '../segment/clock.js';

/** What all filters together may take of one turn of the event loop before those that are left wait for the next. */
const TURN_MS = 10;
/** So many times as long as a filter held everything up, those that may do the same rest: the process has nine tenths of its time. */
const REST_FACTOR = 9;

/**
 * Filters take turns: however many viewers bring slow patterns, frames come in between.
 *
 * *Rest*: a filter that had to be cut off held everything up for longer than its share. However many viewers bring one, and however
 * often, there is a rest behind each.
 */
export class FilterTurns {
  readonly #clock: Clock;
  readonly #restFactor: number;
  readonly #waiting: (() => void)[] = [];
  #leftMs = TURN_MS;
  #isRenewing = false;
  /** Monotonic milliseconds. */
  #restsUntilMs = Number.NEGATIVE_INFINITY;

  /** @param restFactor 0 for a process that has nothing else to do */
  constructor(clock: Clock, restFactor: number = REST_FACTOR) {
    this.#clock = clock;
    this.#restFactor = restFactor;
  }

  nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /** Whether there is time in this turn; whoever is told so says with `spend` what it took. */
  get isOpen(): boolean {
    return this.#leftMs > 0 && this.#waiting.length === 0;
  }

  spend(ms: number): void {
    this.#leftMs -= ms;
    this.#renewSoon();
  }

  /** Resolves in a later turn, one caller a turn, in order. */
  wait(): Promise<void> {
    this.#renewSoon();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** A filter was cut off after so long. */
  rest(takenMs: number): void {
    this.#restsUntilMs = this.nowMs() + this.#restFactor * takenMs;
  }

  get isResting(): boolean {
    return this.nowMs() < this.#restsUntilMs;
  }

  /** Resolves when the rest that there is now is over: in a turn of the caller's own. */
  async rested(): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.after(this.#restsUntilMs - this.nowMs(), resolve));
    await this.wait();
  }

  #renewSoon(): void {
    if (!this.#isRenewing) {
      this.#isRenewing = true;
      this.#clock.soon(() => this.#renew());
    }
  }

  #renew(): void {
    this.#isRenewing = false;
    this.#leftMs = TURN_MS;
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) {
      this.#renewSoon();
    }
  }
}

export const filterTurns = new FilterTurns(systemClock);
