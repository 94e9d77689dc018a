import { type Clock, systemClock } from '../segment/clock.js';

/** What all filters together may take of one turn of the event loop before those that are left wait for the next. */
const TURN_MS = 10;

/** Filters take turns: however many viewers bring slow patterns, frames come in between. */
export class FilterTurns {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #leftMs = TURN_MS;
  #isRenewing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
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
