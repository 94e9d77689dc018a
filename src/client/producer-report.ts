/** What a FrameProducer is told, and what it says of itself. */
import type { BatchLimits } from './pending-batches.js';
import type { WriteError } from './write-error.js';

export interface ProducerLimits extends BatchLimits {
  readonly pendingBytesMax: number;
  /** How long without any progress before frames are given up. */
  readonly giveUpMs: number;
}

export const DEFAULT_LIMITS: ProducerLimits = {
  pendingBytesMax: 64 * 1024 * 1024,
  // No server takes less, whatever its LOG_MAX_FRAME_BYTES.
  batchBytesMax: 256 * 1024,
  batchFramesMax: 4_000,
  giveUpMs: 30_000,
};

/** What was newly stored in a session. */
export interface SessionRange {
  readonly sessionId: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

export interface ProducerProgress {
  /** Frames that `write` was called with. */
  readonly taken: number;
  /** Frames that the server acknowledged, those it already had included. */
  readonly stored: number;
  readonly takenLines: number;
  readonly storedLines: number;
  readonly state: 'streaming' | 'reconnecting' | 'stopped';
  /** The server answers, and takes no frames for now: its disk is full, or others send too much. */
  readonly isRefusing: boolean;
  /** When frames are given up unless something moves, in milliseconds from now. */
  readonly giveUpInMs: number;
}

export interface ProducerReport {
  readonly stored: number;
  readonly storedLines: number;
  /** Of those stored, the ones that the server already had. */
  readonly duplicates: number;
  /** Frames that no response confirmed; after a broken connection some of them may be stored nevertheless. */
  readonly unconfirmed: number;
  readonly unconfirmedLines: number;
  /** What was newly stored, per session. */
  readonly ranges: readonly SessionRange[];
  /** Why frames are unconfirmed, or refused. */
  readonly error: WriteError | null;
  /** Frames that can never be stored as they are. With the first one sending ends; what was under way then may be stored. */
  readonly refused: number;
  /** The `place` of the first of them. */
  readonly refusedAt: number | null;
}
