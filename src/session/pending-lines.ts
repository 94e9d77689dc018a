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
  /** The marks as they stood when the segment began. */
  producersBefore: ReadonlyMap<string, number>;
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
  /** Whose lines came last: what the lanes let take turns. */
  readonly flow: object;
  /** Everything that gathered since the last call, or null. */
  takeBatch(): Batch | null;
  readonly hasBatch: boolean;
  /** Of that batch. */
  readonly pendingBytes: number;
  /** The first segment that does not end before that batch: null when none has begun. */
  readonly nextTally: SegmentTally | null;
  /** Where the first line of the batch stands. */
  readonly firstPending: { readonly buffer: Buffer; readonly offset: number } | null;
}
