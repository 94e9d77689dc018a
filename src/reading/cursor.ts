import type { SeqSpan } from './gaps.js';
import { linesBetween } from './line-chunks.js';
import type { LogEvent, LogLines } from './log-events.js';

export type LinesEvent = Extract<LogEvent, { kind: 'lines' }>;
export type GapEvent = Extract<LogEvent, { kind: 'gap' }>;
export type StoredEvent = LinesEvent | GapEvent;

/** Where a reader of one session is, and what that makes of the lines it meets. */
export class Cursor {
  /** The last number it has to go to. */
  readonly throughSeq: number;
  /** Of the last line given out, or the last number told as gone; at the start, of the line before the first. */
  seq: number;
  /** The session was there when the reader looked. */
  isKnown = false;
  #expected: readonly SeqSpan[] = [];

  constructor(afterSeq: number, throughSeq: number) {
    this.seq = afterSeq;
    this.throughSeq = throughSeq;
  }

  get isAtEnd(): boolean {
    return this.seq >= this.throughSeq;
  }

  /** Segments that the reader saw, and has not come to: what is not there any more is gone. */
  get expected(): readonly SeqSpan[] {
    return this.#expected;
  }

  /** Another one in the same place, that has to go to `throughSeq`. */
  until(throughSeq: number): Cursor {
    const cursor = new Cursor(this.seq, throughSeq);
    cursor.isKnown = this.isKnown;
    cursor.#expected = this.#expected;
    return cursor;
  }

  expect(segments: readonly SeqSpan[]): void {
    const spans = segments.map(({ firstSeq, lastSeq }) => ({ firstSeq, lastSeq }));
    const older = this.#expected.filter(
      (span) => span.lastSeq > this.seq && !spans.some(({ firstSeq }) => firstSeq === span.firstSeq),
    );
    this.#expected = [...older, ...spans];
  }

  /** What of a chunk is next, as an event; null when nothing is. @throws NotALine */
  pass(lines: LogLines): LinesEvent | null {
    const next = linesBetween(lines, this.seq, this.throughSeq);
    this.seq = Math.max(this.seq, Math.min(lines.lastSeq, this.throughSeq));
    return next === null ? null : { kind: 'lines', lines: next };
  }

  passGap({ firstSeq, lastSeq }: SeqSpan): GapEvent {
    const from = Math.max(firstSeq, this.seq + 1);
    this.seq = lastSeq;
    return { kind: 'gap', firstSeq: from, lastSeq };
  }

  /** Of these chunks what is next, up to the end of the range. @throws NotALine */
  async *advance(chunks: AsyncIterable<LogLines>): AsyncGenerator<LinesEvent, void> {
    for await (const lines of chunks) {
      const event = this.pass(lines);
      if (event !== null) {
        yield event;
      }
      if (this.isAtEnd) {
        return;
      }
    }
  }
}

export function cursorAt(afterSeq: number, throughSeq: number = Number.MAX_SAFE_INTEGER): Cursor {
  return new Cursor(afterSeq, throughSeq);
}

/** Lines up to `seq` were stored: those that the files do not have are gone. */
export function* goneUpTo(seq: number, cursor: Cursor): Generator<GapEvent, void> {
  if (cursor.seq < seq) {
    yield cursor.passGap({ firstSeq: cursor.seq + 1, lastSeq: seq });
  }
}
