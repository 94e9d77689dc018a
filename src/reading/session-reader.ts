/**
 * A session's stored lines: finished segments, those still being sealed and the active file, as one.
 *
 * *Ordering*: lines come by seq, each once, whatever moves meanwhile. The cursor is the seq of the last line given out; when
 * a file is gone that was there a moment ago, the reader looks again and goes on behind its cursor. What is truly gone is told
 * as a gap, in its place (see gaps.ts).
 *
 * *Bounded*: one chunk of about 128 KiB (or one line, if that is longer) is held, the names of a few segments, and no
 * descriptor. Whatever is read or inflated takes a place (see read-places.ts).
 */
import { NotALine } from '../frame/json-reader.js';
import type { Files } from '../segment/files.js';
import { type Layout, sessionName } from '../segment/layout.js';
import { type Cursor, cursorAt, type GapEvent, type StoredEvent } from './cursor.js';
import { GapFinder, type Hole } from './gap-finder.js';
import { InflatedMembers } from './inflated-members.js';
import { hasMoved, PlacedFiles, type ReadableFile } from './placed-files.js';
import { planReading, type SegmentFile } from './plan.js';
import { RawChunks, type RawFile } from './raw-chunks.js';
import { rawLines } from './raw-lines.js';
import { ReadPlaces } from './read-places.js';
import { ReadingError } from './reading-error.js';
import { damagedSegment, segmentError } from './segment-damage.js';
import { type SegmentAccess, segmentLines } from './segment-lines.js';
import { type ActiveFile, type Snapshot, takeSnapshot } from './snapshot.js';
import { linesBackwards, type SeqRange, tailRange } from './tail-range.js';

/** How often in a row files may be gone without a line in between. */
const MISSES_MAX = 20;
/** Segments planned at a time. */
const PLANNED_MAX = 64;
/** The pool's other threads are for writes and syncs. */
const PLACES = 3;

export class SessionReader {
  readonly places = new ReadPlaces(PLACES);
  readonly inflated: InflatedMembers;
  readonly raw: RawChunks;
  readonly #files: PlacedFiles;
  readonly #layout: Layout;
  readonly #gaps: GapFinder;

  constructor(files: Files, layout: Layout) {
    this.#layout = layout;
    this.#files = new PlacedFiles(files, this.places);
    this.#gaps = new GapFinder(this.#files, layout);
    this.inflated = new InflatedMembers(this.#files);
    this.raw = new RawChunks(this.#files);
  }

  /**
   * What is stored behind the cursor and up to its `throughSeq`, byte for byte, and what is gone there; moves the cursor. Ends
   * behind the last line there was when the reader last looked, not before it began. A last line without its newline is not there yet.
   * @throws ReadingError UNKNOWN_SESSION, DAMAGED_SEGMENT, UNSETTLED; ReadingAborted
   */
  async *read(sessionId: string, cursor: Cursor, signal?: AbortSignal): AsyncGenerator<StoredEvent, void> {
    for (let misses = 0; ; misses++) {
      const reached = cursor.seq;
      try {
        if (yield* this.#readSnapshot(sessionId, cursor, signal)) {
          return;
        }
        misses = 0;
      } catch (error) {
        misses = cursor.seq > reached ? 0 : misses;
        if (!hasMoved(error) || misses >= MISSES_MAX) {
          throw hasMoved(error) ? unsettled(sessionId, error) : error;
        }
      }
    }
  }

  /** The lines above `afterSeq` alone, of a session that may not have any. @throws ReadingError DAMAGED_SEGMENT, UNSETTLED */
  async *linesIfAny(sessionId: string, afterSeq: number): AsyncGenerator<Buffer, void> {
    const cursor = cursorAt(afterSeq);
    cursor.isKnown = true;
    for await (const event of this.read(sessionId, cursor)) {
      if (event.kind === 'lines') {
        yield event.lines.bytes;
      }
    }
  }

  /**
   * The range of the last `count` lines that are stored now; with 0 an empty one behind the last line, however damaged that is.
   * @throws ReadingError UNKNOWN_SESSION, DAMAGED_SEGMENT, UNSETTLED; ReadingAborted
   */
  async tailRange(sessionId: string, count: number, signal?: AbortSignal): Promise<SeqRange> {
    for (let misses = 0; ; misses++) {
      const snapshot = await this.#snapshot(sessionId, signal);
      if (snapshot === null) {
        throw unknown(sessionId);
      }
      try {
        return await tailRange(this.#access(sessionId, signal), snapshot, count);
      } catch (error) {
        if (!hasMoved(error) || misses >= MISSES_MAX) {
          throw hasMoved(error) ? unsettled(sessionId, error) : error;
        }
      }
    }
  }

  #access(sessionId: string, signal: AbortSignal | undefined): SegmentAccess {
    return { files: this.#files, inflated: this.inflated, raw: this.raw, sessionId, signal };
  }

  #snapshot(sessionId: string, signal: AbortSignal | undefined): Promise<Snapshot | null> {
    return this.#files.step((files) => takeSnapshot(files, this.#layout, sessionName(sessionId)), signal);
  }

  /** Returns false when there is more to plan. */
  async *#readSnapshot(
    sessionId: string,
    cursor: Cursor,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredEvent, boolean> {
    const snapshot = await this.#snapshot(sessionId, signal);
    if (snapshot === null && !cursor.isKnown) {
      throw unknown(sessionId);
    }
    cursor.isKnown = true;
    const { sealed = [], removed = [], active = null } = snapshot ?? {};
    const plan = planReading([...sealed, ...removed], cursor.seq, PLANNED_MAX);
    cursor.expect(plan.segments);
    let before = plan.before;
    for (const behind of plan.segments) {
      if (behind.state !== 'removed' && (cursor.isAtEnd || behind.firstSeq > cursor.throughSeq)) {
        return true;
      }
      yield* this.#gapsBefore(sessionId, behind.firstSeq, { before, behind }, cursor, signal);
      yield* this.#segment(sessionId, behind, cursor, signal);
      if (cursor.seq < behind.lastSeq) {
        return true;
      }
      before = behind;
    }
    if (!plan.isWhole) {
      return false;
    }
    const activeSeq = active?.firstSeq ?? Number.POSITIVE_INFINITY;
    if (activeSeq <= cursor.throughSeq || active?.firstSeq == null) {
      yield* this.#gapsBefore(sessionId, activeSeq, { before, behind: null }, cursor, signal);
    }
    if (active !== null && !cursor.isAtEnd) {
      yield* this.#active(sessionId, { ...active, grows: true }, cursor, signal);
    }
    return true;
  }

  async *#gapsBefore(
    sessionId: string,
    seq: number,
    sides: Pick<Hole, 'before' | 'behind'>,
    cursor: Cursor,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<GapEvent, void> {
    const hole = { ...sides, firstSeq: cursor.seq + 1, lastSeq: seq - 1 };
    for (const span of await this.#gaps.find(sessionId, hole, cursor.expected, signal)) {
      yield cursor.passGap(span);
    }
  }

  async *#segment(
    sessionId: string,
    segment: SegmentFile,
    cursor: Cursor,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredEvent, void> {
    if (segment.state === 'removed') {
      yield cursor.passGap(segment);
      return;
    }
    try {
      yield* cursor.advance(segmentLines(this.#access(sessionId, signal), segment, cursor.seq));
    } catch (error) {
      throw segmentError(segment, error);
    }
    if (cursor.seq < Math.min(segment.lastSeq, cursor.throughSeq)) {
      throw damagedSegment(segment, new Error(`it ends at seq ${cursor.seq}`));
    }
  }

  async *#active(
    sessionId: string,
    { path, firstSeq, bytes, grows }: ActiveFile & Pick<RawFile, 'grows'>,
    cursor: Cursor,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredEvent, void> {
    if (firstSeq === null) {
      return;
    }
    const file = { sessionId, path, firstSeq, end: bytes, grows };
    const afterSeq = cursor.seq < firstSeq ? 0 : cursor.seq;
    try {
      yield* cursor.advance(rawLines(this.#access(sessionId, signal), file, afterSeq));
      return;
    } catch (error) {
      if (!(error instanceof NotALine)) {
        throw error;
      }
    }
    // Behind a crash the active file may end in anything; the next start of the server cuts it off just there. A chunk that reaches
    // into it is read again without it.
    if (grows) {
      const soundBytes = await lastLineEnd(this.#files.file(path, signal, firstSeq), bytes);
      yield* this.#active(sessionId, { path, firstSeq, bytes: soundBytes, grows: false }, cursor, signal);
    }
  }
}

/** Behind the last of the lines in file[0, from); 0 when there is none. */
async function lastLineEnd(file: ReadableFile, from: number): Promise<number> {
  for await (const { end } of linesBackwards(file, from)) {
    return end;
  }
  return 0;
}

function unknown(sessionId: string): ReadingError {
  return new ReadingError('UNKNOWN_SESSION', `there is no session ${JSON.stringify(sessionId)}`);
}

function unsettled(sessionId: string, cause: unknown): ReadingError {
  return new ReadingError('UNSETTLED', `files of session ${JSON.stringify(sessionId)} keep vanishing`, { cause });
}
