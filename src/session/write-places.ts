/**
 * Sessions written at once. Each holds one thread of the pool at a time; with those that sync in the background they leave some of
 * its 16 to everything else.
 */
const PLACES_MAX = 8;
const BUSY_PLACES_MIN = 2;
const WAITING_A_PLACE = 16;
const BUSY_FROM = 0.9;
const BUSY_UNTIL = 0.6;

/**
 * How many sessions are written and synced at once.
 *
 * As many as the disk takes, as long as the event loop has time: who waits for a sync waits for nobody else's. When the loop is what
 * everybody waits for, each turn that is spared is worth more: few sessions at a time, so that more batches gather for each write and
 * sync. At 10 sessions, batches of 100 at full speed: 227 frames a sync and 610k frames per CPU second with eight places,
 * 1,140 and 877k with two. With many sessions waiting there is little to gather for each, and more places are better again: at
 * 1,000 sessions two gave 245k, eight 292k.
 */
export class WritePlaces {
  readonly #busyShare: () => number;
  #busy = false;

  /** @param busyShare how much of the time since the last call the event loop was busy, 0 to 1 */
  constructor(busyShare: () => number) {
    this.#busyShare = busyShare;
  }

  /** To be called a few times a second. */
  sample(): void {
    this.#busy = this.#busyShare() > (this.#busy ? BUSY_UNTIL : BUSY_FROM);
  }

  /** @param waiting sessions that wait for a place */
  places(waiting: number): number {
    if (!this.#busy) {
      return PLACES_MAX;
    }
    return Math.min(PLACES_MAX, Math.max(BUSY_PLACES_MIN, Math.ceil(waiting / WAITING_A_PLACE)));
  }
}
