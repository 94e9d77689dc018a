import { lastLineStart, lineSeq } from '../segment/line.js';

const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

export interface CursorRange {
  /** Lines above this are read. */
  readonly afterSeq: number;
  /** What is stored up to here was in the files when the cursor was made: a number up to here that does not come is not there. */
  readonly throughSeq: number;
  /** A line that is known to be there: a reading that ends before it tells nothing. 0 when none is known. */
  readonly expectedSeq: number;
}

/**
 * A place in a session's stored lines that only moves on: a chunk of whole lines, and what comes after it.
 *
 * Not to be used by two at once: `busy` says that somebody does.
 */
export class StoredCursor {
  busy = false;
  /** Monotonic milliseconds. */
  usedAtMs = 0;
  readonly #chunks: AsyncGenerator<Buffer, void>;
  readonly #range: CursorRange;
  #state: 'reading' | 'ended' | 'closed' = 'reading';
  #chunk: Buffer = NOTHING;
  /** The chunk holds every line above the one and up to the other. */
  #afterSeq: number;
  #lastSeq: number;
  /** A line's start in the chunk, and the seq of the line before it. */
  #at = 0;
  #passedSeq: number;

  constructor(chunks: AsyncGenerator<Buffer, void>, range: CursorRange) {
    this.#chunks = chunks;
    this.#range = range;
    this.#afterSeq = range.afterSeq;
    this.#lastSeq = range.afterSeq;
    this.#passedSeq = range.afterSeq;
  }

  get state(): 'reading' | 'ended' | 'closed' {
    return this.#state;
  }

  /** Whether reading on comes to `seq`, within so many numbers. */
  reaches(seq: number, withinSeqs: number): boolean {
    return this.#state === 'reading' && seq > this.#afterSeq && seq <= this.#lastSeq + withinSeqs;
  }

  /**
   * @returns the line under `seq`, null when there is none, undefined when the chunk does not tell
   * @throws when the chunk does not hold stored lines
   */
  find(seq: number): Buffer | null | undefined {
    if (this.#state === 'closed' || seq <= this.#afterSeq) {
      return undefined;
    }
    if (seq > this.#lastSeq) {
      return this.#state === 'ended' && seq <= this.#range.throughSeq ? null : undefined;
    }
    if (seq <= this.#passedSeq) {
      this.#at = 0;
      this.#passedSeq = this.#afterSeq;
    }
    let found = seqOf(this.#chunk, this.#at);
    while (found < seq) {
      this.#passedSeq = found;
      this.#at = this.#chunk.indexOf(NEWLINE, this.#at) + 1;
      found = seqOf(this.#chunk, this.#at);
    }
    return found === seq ? this.#chunk.subarray(this.#at, this.#chunk.indexOf(NEWLINE, this.#at) + 1) : null;
  }

  /** Takes the next chunk. @throws what the reading threw, and when lines are missing */
  async read(): Promise<void> {
    const next = await this.#chunks.next();
    this.#afterSeq = this.#lastSeq;
    this.#passedSeq = this.#lastSeq;
    this.#at = 0;
    if (this.#state === 'closed') {
      return;
    }
    if (next.done === true) {
      this.#chunk = NOTHING;
      this.#state = 'ended';
      if (this.#lastSeq < this.#range.expectedSeq) {
        throw new Error(`the stored lines end at seq ${this.#lastSeq}, before ${this.#range.expectedSeq}`);
      }
      return;
    }
    this.#chunk = next.value;
    this.#lastSeq = seqOf(this.#chunk, lastLineStart(this.#chunk, 0, this.#chunk.length));
  }

  /** Gives the files back; behind a read that is under way. Does not reject. */
  async close(): Promise<void> {
    this.#state = 'closed';
    this.#chunk = NOTHING;
    // It was only read from: whether closing works changes nothing.
    await this.#chunks.return().catch(() => undefined);
  }
}

function seqOf(chunk: Buffer, start: number): number {
  const seq = start < chunk.length ? lineSeq(chunk, start) : Number.NaN;
  if (!Number.isSafeInteger(seq) || seq <= 0) {
    throw new Error('a stored line does not begin with its seq');
  }
  return seq;
}
