import type { Clock } from '../segment/clock.js';
import { LookupFailed } from './conflict.js';
import { Lane } from './lane.js';
import { type CursorRange, StoredCursor } from './stored-cursor.js';

/** What is stored of a session above `afterSeq`: chunks of whole lines in the order of their seq; nothing for a session without files. */
export type ReadLines = (sessionId: string, afterSeq: number) => AsyncGenerator<Buffer, void>;

/** Cursors of all sessions together: each holds up to two descriptors and a chunk of about 128 KiB. */
export const CURSORS_MAX = 16;
/** Lookups that read at once: they leave the pool's threads to writes and syncs. */
const PLACES = 4;
/** A cursor that nobody asked for so long is closed. */
const IDLE_MS = 5000;

/** The places in stored lines that lookups have open, of all sessions: the least recently used one makes room. */
export class StoredLookups {
  readonly #readLines: ReadLines;
  readonly #clock: Clock;
  readonly #lane: Lane;
  /** In the order of use. */
  readonly #cursors = new Set<StoredCursor>();

  constructor(readLines: ReadLines, clock: Clock) {
    this.#readLines = readLines;
    this.#clock = clock;
    this.#lane = new Lane(PLACES, clock);
  }

  get openCursors(): number {
    return this.#cursors.size;
  }

  async open(sessionId: string, range: CursorRange): Promise<StoredCursor> {
    for (const cursor of this.#cursors) {
      if (this.#cursors.size < CURSORS_MAX) {
        break;
      }
      if (!cursor.busy) {
        await this.close(cursor);
      }
    }
    const cursor = new StoredCursor(this.#readLines(sessionId, range.afterSeq), range);
    this.touch(cursor);
    return cursor;
  }

  touch(cursor: StoredCursor): void {
    cursor.usedAtMs = this.#clock.monotonicMs();
    this.#cursors.delete(cursor);
    this.#cursors.add(cursor);
  }

  async close(cursor: StoredCursor): Promise<void> {
    this.#cursors.delete(cursor);
    await cursor.close();
  }

  /** Runs `read` when there is a place. @throws LookupFailed */
  inTurn<Result>(read: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      // A stream waits for one lookup at a time: they need not take turns.
      this.#lane.enqueue(() => read().then(resolve, (error: unknown) => reject(new LookupFailed(error))), this);
    });
  }

  sweep(nowMs: number): void {
    for (const cursor of this.#cursors) {
      if (!cursor.busy && nowMs - cursor.usedAtMs >= IDLE_MS) {
        void this.close(cursor);
      }
    }
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#cursors].map((cursor) => this.close(cursor)));
  }
}
