import type { Clock } from '../segment/clock.js';
import { Overload } from '../session/admission.js';

/** While others wait, a message has this long to arrive; 4 MiB take 3 s over a line of 50 ms. */
const ARRIVAL_MS = 10_000;
/** Longer than that, so that who waits behind stalled messages gets its turn. */
const PATIENCE_MS = 15_000;
const CHECK_MS = 1000;

/** Bytes that somebody holds or waits for. */
export class Claim {
  readonly bytes: number;
  /** Monotonic milliseconds since it waits, then since it holds. */
  sinceMs: number;
  /** What it is for is still arriving: it can be taken back from a peer that stalls. */
  arriving: boolean;
  /** Else it waits, or is over. */
  held = false;
  readonly granted: (claim: Claim) => void;
  readonly refused: (error: Overload) => void;

  constructor(
    bytes: number,
    sinceMs: number,
    arriving: boolean,
    granted: (claim: Claim) => void,
    refused: (error: Overload) => void,
  ) {
    this.bytes = bytes;
    this.sinceMs = sinceMs;
    this.arriving = arriving;
    this.granted = granted;
    this.refused = refused;
  }
}

/**
 * The memory of all streams for messages that are not taken yet: large ones that are arriving, and those being inflated.
 *
 * *Rule*: a claim is for the whole of what it is for, before it is there; so who holds one can always finish, and the
 * budget is never passed, except by a single message that is larger than all of it. *Ordering*: first come, first served.
 * *Stalls*: while others wait, a message that has not arrived in time loses its claim, and its stream is refused; so is
 * who waited too long.
 */
export class ReceiveBudget {
  readonly #limit: number;
  readonly #clock: Clock;
  readonly #holding = new Set<Claim>();
  readonly #waiting = new Set<Claim>();
  #bytes = 0;
  #stopChecks: (() => void) | null = null;

  constructor(limit: number, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** Claimed. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Claims bytes: `granted` is called at once or later, `refused` instead of it or after it, each at most once.
   * @param arriving whether the peer has yet to send what the bytes are for
   */
  claim(bytes: number, arriving: boolean, granted: (claim: Claim) => void, refused: (error: Overload) => void): Claim {
    const claim = new Claim(bytes, this.#clock.monotonicMs(), arriving, granted, refused);
    this.#waiting.add(claim);
    this.#grant();
    if (this.#waiting.size > 0) {
      this.#stopChecks ??= this.#clock.every(CHECK_MS, () => this.#check());
    }
    return claim;
  }

  /** Gives back what a claim holds, or its place among those who wait. */
  release(claim: Claim): void {
    this.#waiting.delete(claim);
    if (this.#holding.delete(claim)) {
      this.#bytes -= claim.bytes;
      claim.held = false;
    }
    this.#grant();
  }

  #grant(): void {
    for (const claim of this.#waiting) {
      if (this.#bytes > 0 && this.#bytes + claim.bytes > this.#limit) {
        return;
      }
      this.#waiting.delete(claim);
      this.#holding.add(claim);
      this.#bytes += claim.bytes;
      claim.sinceMs = this.#clock.monotonicMs();
      claim.held = true;
      claim.granted(claim);
    }
    this.#stopChecks?.();
    this.#stopChecks = null;
  }

  #check(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const claim of this.#holding) {
      if (claim.arriving && nowMs - claim.sinceMs > ARRIVAL_MS) {
        this.#refuse(claim);
      }
    }
    for (const claim of this.#waiting) {
      if (nowMs - claim.sinceMs > PATIENCE_MS) {
        this.#refuse(claim);
      }
    }
  }

  #refuse(claim: Claim): void {
    this.release(claim);
    claim.refused(new Overload());
  }
}
