import type { LineBuffer } from '../frame/line-buffer.js';
import type { SealReason } from '../segment/sealed-segment.js';

/** What a segment will hold, counted as its lines are encoded. */
export interface SegmentTally {
  firstSeq: number;
  lastSeq: number;
  frames: number;
  bytes: number;
  /** Monotonic milliseconds. */
  openedAtMs: number;
}

/** A segment ends here: everything of the buffer before `offset` belongs into it. */
export interface Cut {
  readonly offset: number;
  readonly tally: SegmentTally;
  readonly reason: SealReason;
  readonly producers: ReadonlyMap<string, number>;
}

/** Encoded lines on their way to the file, with the places where one segment ends and the next begins. */
export interface Batch {
  readonly buffer: LineBuffer;
  readonly cuts: Cut[];
  /** Monotonic milliseconds: when its first line came. */
  readonly startedAtMs: number;
  frames: number;
}

/** Where the loop gets its lines from: the session's writer. */
export interface BatchSource {
  readonly sessionId: string;
  /** Everything that gathered since the last call, or null. */
  takeBatch(): Batch | null;
  readonly hasBatch: boolean;
  /** Of that batch. */
  readonly pendingBytes: number;
  /** Ends the segment being filled, because its file can't be trusted any more. */
  endSegment(): void;
}

/** A batch that is being written, or that could not be. */
export interface InFlight {
  readonly batch: Batch;
  /** Bytes and cuts of the batch that are done. */
  offset: number;
  cuts: number;
  /** The seal under way: fixed at its first attempt, so that a second one goes on with the same name. */
  sealedAtMs: number | null;
}

export function inFlightOf(batch: Batch | null): InFlight | null {
  return batch === null ? null : { batch, offset: 0, cuts: 0, sealedAtMs: null };
}
