/**
 * A session's stored lines: finished segments, those still being sealed and the active file, as one.
 *
 * Ordering: lines come by seq, each once, whatever moves meanwhile. The cursor is the seq of the last line given out; when
 * a file is gone that was there a moment ago, the reader looks again and goes on behind its cursor.
 *
 * Bounded: one chunk of about 128 KiB (or one line, if that is longer) is held at a time.
 */
import type { Files } from '../segment/files.js';
import { type Layout, sessionName } from '../segment/layout.js';
import { planSegments } from './plan.js';
import { isAbsent, ReadingError } from './reading-error.js';
import { fileBytes, segmentBytes } from './segment-bytes.js';
import { openSnapshot, type Snapshot } from './snapshot.js';
import { nextLine, seqAt, wholeLines } from './stored-line.js';
import { type SeqRange, tailRange } from './tail-range.js';

/** How often in a row files may be gone without a line in between. */
const MISSES_MAX = 20;

export class SessionReader {
  readonly #files: Files;
  readonly #layout: Layout;

  constructor(files: Files, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
  }

  /**
   * What is stored of the lines above `afterSeq` and up to `throughSeq`, in chunks of whole lines, byte for byte.
   * Ends behind the last line there is. A last line of the active file without its newline is not there yet.
   * @throws ReadingError UNKNOWN_SESSION, DAMAGED_SEGMENT, UNSETTLED
   */
  async *readLines(sessionId: string, range: Partial<SeqRange> = {}): AsyncGenerator<Buffer, void> {
    const cursor = new Cursor(range.afterSeq ?? 0, range.throughSeq ?? Number.MAX_SAFE_INTEGER);
    for (let misses = 0; ; misses++) {
      const snapshot = await this.#open(sessionId);
      const reached = cursor.seq;
      try {
        yield* this.#readSnapshot(snapshot, cursor);
        return;
      } catch (error) {
        if (!isAbsent(error)) {
          throw error;
        }
        misses = cursor.seq > reached ? 0 : misses;
        if (misses >= MISSES_MAX) {
          throw new ReadingError('UNSETTLED', `files of session ${JSON.stringify(sessionId)} keep vanishing`, {
            cause: error,
          });
        }
      } finally {
        await snapshot.close();
      }
    }
  }

  /** As `readLines`, from a session that may not have any. */
  async *linesIfAny(sessionId: string, afterSeq: number): AsyncGenerator<Buffer, void> {
    try {
      yield* this.readLines(sessionId, { afterSeq });
    } catch (error) {
      if (!(error instanceof ReadingError && error.code === 'UNKNOWN_SESSION')) {
        throw error;
      }
    }
  }

  /**
   * The range of the last `count` lines that are stored now.
   * @throws ReadingError UNKNOWN_SESSION, UNSETTLED
   */
  async tailRange(sessionId: string, count: number): Promise<SeqRange> {
    for (let misses = 0; ; misses++) {
      const snapshot = await this.#open(sessionId);
      try {
        return await tailRange(this.#files, snapshot, count);
      } catch (error) {
        if (!isAbsent(error) || misses >= MISSES_MAX) {
          throw error;
        }
      } finally {
        await snapshot.close();
      }
    }
  }

  async #open(sessionId: string): Promise<Snapshot> {
    const snapshot = await openSnapshot(this.#files, this.#layout, sessionName(sessionId));
    if (snapshot === null) {
      throw new ReadingError('UNKNOWN_SESSION', `there is no session ${JSON.stringify(sessionId)}`);
    }
    return snapshot;
  }

  async *#readSnapshot(snapshot: Snapshot, cursor: Cursor): AsyncGenerator<Buffer, void> {
    for (const segment of planSegments(snapshot.sealed, cursor.seq)) {
      if (cursor.isAtEnd || segment.firstSeq > cursor.throughSeq) {
        return;
      }
      try {
        yield* cursor.advance(segmentBytes(this.#files, segment, cursor.seq));
      } catch (error) {
        throw isDamage(error)
          ? new ReadingError('DAMAGED_SEGMENT', `segment ${segment.stem} is damaged`, { cause: error })
          : error;
      }
    }
    if (snapshot.active !== null && !cursor.isAtEnd) {
      try {
        yield* cursor.advance(fileBytes(snapshot.active));
      } catch (error) {
        // Behind a crash the active file may end in anything; the next start of the server cuts it off just there.
        if (!(error instanceof NotALine)) {
          throw error;
        }
      }
    }
  }
}

/** A line of the file does not begin as stored lines do. */
class NotALine extends Error {}

function isDamage(error: unknown): boolean {
  return error instanceof NotALine || String((error as NodeJS.ErrnoException | null)?.code).startsWith('Z_');
}

/** Where a reader is, and what that makes of the bytes it meets. */
class Cursor {
  readonly throughSeq: number;
  /** Of the last line given out; at the start, of the one before the first. */
  seq: number;

  constructor(afterSeq: number, throughSeq: number) {
    this.seq = afterSeq;
    this.throughSeq = throughSeq;
  }

  get isAtEnd(): boolean {
    return this.seq >= this.throughSeq;
  }

  /** Of the lines in these bytes, those that are next. @throws NotALine */
  async *advance(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    for await (const lines of wholeLines(bytes)) {
      const next = this.#nextOf(lines);
      if (next.length > 0) {
        yield next;
      }
      if (this.isAtEnd) {
        return;
      }
    }
  }

  /** Seqs only grow within a file, so that two lines tell of most chunks that all or none of it is next. */
  #nextOf(lines: Buffer): Buffer {
    const lastStart = lines.lastIndexOf(0x0a, lines.length - 2) + 1;
    const lastSeq = lineSeq(lines, lastStart);
    if (lastSeq <= this.seq) {
      return lines.subarray(0, 0);
    }
    let start = 0;
    while (lineSeq(lines, start) <= this.seq) {
      start = nextLine(lines, start);
    }
    if (lastSeq <= this.throughSeq) {
      this.seq = lastSeq;
      return lines.subarray(start);
    }
    let end = start;
    while (lineSeq(lines, end) <= this.throughSeq) {
      end = nextLine(lines, end);
    }
    this.seq = this.throughSeq;
    return lines.subarray(start, end);
  }
}

function lineSeq(lines: Buffer, start: number): number {
  const seq = seqAt(lines, start);
  if (seq === null) {
    throw new NotALine('not a stored line');
  }
  return seq;
}
