import type { Admission } from './admission.js';
import type { WriteLoop } from './write-loop.js';

/** Past this a session is synced though nobody waits: unsynced lines are kept in memory. */
const SESSION_BYTES_MAX = 1024 * 1024;

/**
 * The sessions with written bytes that nobody asked to sync yet.
 *
 * *Bound*: past `heldBytesMax` of all lines in memory, every session that holds its share of them syncs in its own turn. Syncing all
 * at each LOG_FLUSH_INTERVAL_MS is right for few; a thousand sessions at full speed do not get round in that time.
 */
export class UnsyncedLoops {
  readonly #loops = new Set<WriteLoop>();
  readonly #admission: Admission;
  readonly #heldBytesMax: number;

  constructor(admission: Admission, heldBytesMax: number) {
    this.#admission = admission;
    this.#heldBytesMax = heldBytesMax;
  }

  add(loop: WriteLoop): void {
    this.#loops.add(loop);
  }

  delete(loop: WriteLoop): void {
    this.#loops.delete(loop);
  }

  /** Whether a session has to sync for the sake of memory. @param bytes what it wrote and has not synced */
  isDue(bytes: number): boolean {
    const { over, bytes: held } = this.#admission;
    const share = held / (2 * (this.#loops.size + 1));
    return over || bytes >= SESSION_BYTES_MAX || (held >= this.#heldBytesMax && bytes >= share);
  }

  /** The time is up: all sync. */
  syncAll(): void {
    for (const loop of this.#loops) {
      loop.syncInBackground();
    }
  }
}
