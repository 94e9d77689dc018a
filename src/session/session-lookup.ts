import type { CursorRange, StoredCursor } from './stored-cursor.js';
import type { StoredLookups } from './stored-lookups.js';

/** Streams that send old frames of one session again at the same time, each at a place of its own. */
const CURSORS_MAX = 4;
/** So far a cursor reads on to a number; past that a new one, which enters a segment in the middle, is the shorter way. */
const FORWARD_SEQS_MAX = 20_000;

/**
 * What is stored under a number of one session.
 *
 * *Cost*: whoever asks for rising numbers has each segment read once: the next number is looked for where the last one was found.
 * *Ordering*: one reading at a time, first come, first served.
 */
export class SessionLookup {
  readonly #sessionId: string;
  readonly #lookups: StoredLookups;
  #cursors: StoredCursor[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(sessionId: string, lookups: StoredLookups) {
    this.#sessionId = sessionId;
    this.#lookups = lookups;
  }

  /** The line under `seq`, null when there is none, undefined when that has to be read. */
  find(seq: number): Buffer | null | undefined {
    for (const cursor of this.#cursors) {
      const found = cursor.busy ? undefined : lookedUp(cursor, seq);
      if (found !== undefined) {
        return found;
      }
    }
    return undefined;
  }

  /**
   * Reads the line under `seq`; null when there is none. Needs `seq` at or below `through`, up to where lines are in the files.
   * @throws LookupFailed
   */
  read(seq: number, throughSeq: number, expectedSeq: number): Promise<Buffer | null> {
    const range: CursorRange = { afterSeq: seq - 1, throughSeq, expectedSeq };
    const result = this.#last.then(() => this.#lookups.inTurn(() => this.#search(seq, range)));
    // Without the result, which holds a chunk.
    this.#last = result.then(ignore, ignore);
    return result;
  }

  async #search(seq: number, range: CursorRange): Promise<Buffer | null> {
    const known = this.#cursors.find((cursor) => cursor.reaches(seq, FORWARD_SEQS_MAX));
    const cursor = known ?? (await this.#open(range));
    cursor.busy = true;
    try {
      for (let found = cursor.find(seq); ; found = cursor.find(seq)) {
        if (found !== undefined) {
          this.#lookups.touch(cursor);
          return found;
        }
        if (cursor.state !== 'reading') {
          // It was made before the line was, or had to make room.
          break;
        }
        await cursor.read();
      }
    } catch (error) {
      await this.#lookups.close(cursor);
      throw error;
    } finally {
      cursor.busy = false;
    }
    await this.#lookups.close(cursor);
    return this.#search(seq, range);
  }

  async #open(range: CursorRange): Promise<StoredCursor> {
    this.#cursors = this.#cursors.filter(({ state }) => state !== 'closed');
    const oldest = this.#cursors.length < CURSORS_MAX ? undefined : this.#cursors.shift();
    if (oldest !== undefined) {
      await this.#lookups.close(oldest);
    }
    const cursor = await this.#lookups.open(this.#sessionId, range);
    this.#cursors.push(cursor);
    return cursor;
  }
}

function ignore(): void {}

/** Damage shows again in the reading that follows, which can report it. */
function lookedUp(cursor: StoredCursor, seq: number): Buffer | null | undefined {
  try {
    return cursor.find(seq);
  } catch {
    return undefined;
  }
}
