import type { StorageError } from '../segment/storage-error.js';
import type { SessionWriter } from './session-writer.js';

/** What one stream stored in one session. */
export interface StoredRange {
  readonly sessionId: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** What one stream has done with one writer so far. */
export interface Touched {
  readonly writer: SessionWriter;
  /** Which TouchedSessions made it. */
  readonly owner: number;
  /** 0 while only duplicates came. */
  firstSeq: number;
  lastSeq: number;
  /** Of the writer, when this stream's last frame was taken. */
  mark: number;
}

const FOLD_AT_MIN = 1024;
let owners = 0;

/** The sessions that one stream has written to. */
export class TouchedSessions {
  readonly #touched = new Map<SessionWriter, Touched>();
  readonly #folded = new Map<string, StoredRange>();
  #foldAt = FOLD_AT_MIN;
  readonly #owner = ++owners;

  of(writer: SessionWriter): Touched {
    // A session has one stream as a rule: a look into the map cost a tenth of a frame's time at 1,000 sessions.
    const last = writer.lastTouched;
    if (last !== null && last.owner === this.#owner) {
      return last;
    }
    const touched = this.#find(writer);
    writer.lastTouched = touched;
    return touched;
  }

  #find(writer: SessionWriter): Touched {
    let touched = this.#touched.get(writer);
    if (touched === undefined) {
      if (this.#touched.size >= this.#foldAt) {
        this.#fold();
      }
      touched = { writer, owner: this.#owner, firstSeq: 0, lastSeq: 0, mark: 0 };
      this.#touched.set(writer, touched);
    }
    return touched;
  }

  /**
   * Waits until everything that was taken is as durable as LOG_FSYNC promises.
   * @throws StorageError
   */
  async whenDurable(): Promise<void> {
    const waits = Array.from(this.#touched.values(), ({ writer, mark }) => writer.loop.whenDurable(mark));
    // Every wait is looked at, also when one failed: a rejection that nobody handles ends the process.
    const results = await Promise.allSettled(waits);
    for (const result of results) {
      if (result.status === 'rejected') {
        throw result.reason as StorageError;
      }
    }
  }

  /** What was stored, by session in the order of their first frames. */
  ranges(): StoredRange[] {
    const ranges = new Map(this.#folded);
    for (const touched of this.#touched.values()) {
      extend(ranges, touched);
    }
    return [...ranges.values()];
  }

  /** A long stream must not hold the writers of sessions that are over: what they stored is durable. */
  #fold(): void {
    for (const [writer, touched] of this.#touched) {
      if (writer.retired) {
        extend(this.#folded, touched);
        this.#touched.delete(writer);
      }
    }
    this.#foldAt = Math.max(FOLD_AT_MIN, this.#touched.size * 2);
  }
}

/** A session that was forgotten and came back during the stream was touched twice. */
function extend(ranges: Map<string, StoredRange>, { writer, firstSeq, lastSeq }: Touched): void {
  if (firstSeq !== 0) {
    const { sessionId } = writer;
    ranges.set(sessionId, { sessionId, firstSeq: ranges.get(sessionId)?.firstSeq ?? firstSeq, lastSeq });
  }
}
