import type { RecordName } from './outbox-record.js';

/** What the jobs of one session know of one another. */
export interface LaneMemory {
  /** `sha256` of the segment this lane stored last; undefined when the next one's has to be looked up on disk. */
  previousSha256: string | undefined;
}

export interface BackoffBounds {
  readonly firstMs: number;
  readonly maxMs: number;
}

export const DISK_BACKOFF: BackoffBounds = { firstMs: 100, maxMs: 5_000 };

/** Something of a session that has to be done behind all that came before it, step by step; each step can be run again. */
export interface LaneJob {
  /** The event's place in the outbox, which is kept from the beginning. */
  readonly recordName: RecordName;
  /** The step that is due, and what it is done to: for the log. */
  readonly step: string;
  readonly about: object;
  /** Runs one step; resolves to true when none is left. */
  advance(lane: LaneMemory): Promise<boolean>;
  /** The step failed: it, or another one, is tried again. Returns between which pauses. */
  failed(error: unknown): BackoffBounds;
}
