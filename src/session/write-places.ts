/**
 * Sessions written at once. Each holds one thread of the pool at a time; with those that sync in the background they leave some of
 * its 16 to everything else.
 */
const PLACES_MAX = 8;
const BUSY_PLACES_MIN = 2;
const WAITING_A_PLACE = 16;
const BUSY_FROM = 0.9;
/** Well below what is left of a loop that was just busy: few places save it up to two fifths of its time. */
const BUSY_UNTIL = 0.45;
/** A slower disk is what everybody waits for, whatever the loop does. */
const QUICK_SYNC_SECONDS = 0.005;
/** Of the last sync in the average. */
const SYNC_WEIGHT = 1 / 16;

/**
 * How many sessions are written and synced at once.
 *
 * As many as the disk takes, as long as the event loop has time or syncs take long: who waits for a sync waits for nobody else's. When
 * the loop is what everybody waits for, each turn that is spared is worth more: few sessions at a time, so that more batches gather for
 * each write and sync. At 10 sessions, batches of 100 at full speed: 227 frames a sync and 610k frames per CPU second with eight
 * places, 1,140 and 877k with two; an acknowledgement then comes after 17 in place of 5 ms. With many sessions waiting there is little to
 * gather for each, and more places are better again: at 1,000 sessions two gave 245k, eight 292k.
 */
export class WritePlaces {
  readonly #busyShare: () => number;
  #busy = false;
  #syncSeconds = 0;

  /** @param busyShare how much of the time since the last call the event loop was busy, 0 to 1 */
  constructor(busyShare: () => number) {
    this.#busyShare = busyShare;
  }

  /** To be called a few times a second. */
  sample(): void {
    this.#busy = this.#busyShare() > (this.#busy ? BUSY_UNTIL : BUSY_FROM);
  }

  /** No more frames come: nothing is to be gathered. */
  relax(): void {
    this.#busy = false;
  }

  /** A sync that somebody's turn waited for took so long. */
  synced(seconds: number): void {
    this.#syncSeconds += (seconds - this.#syncSeconds) * SYNC_WEIGHT;
  }

  /** @param waiting sessions that wait for a place */
  places(waiting: number): number {
    if (!this.#busy || this.#syncSeconds > QUICK_SYNC_SECONDS) {
      return PLACES_MAX;
    }
    return Math.min(PLACES_MAX, Math.max(BUSY_PLACES_MIN, Math.ceil(waiting / WAITING_A_PLACE)));
  }
}
