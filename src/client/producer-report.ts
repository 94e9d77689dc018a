/** What a FrameProducer is told, and what it says of itself. */
import type { SessionRange } from './log-stream-writer.js';
import type { WriteError } from './write-error.js';

export interface ProducerLimits {
  readonly pendingBytesMax: number;
  /** A stream is half-closed for its response at whichever comes first. */
  readonly streamFramesMax: number;
  readonly streamBytesMax: number;
  readonly streamAgeMs: number;
  /** How long without any progress before frames are given up. */
  readonly giveUpMs: number;
}

export const DEFAULT_LIMITS: ProducerLimits = {
  pendingBytesMax: 64 * 1024 * 1024,
  streamFramesMax: 4_000,
  streamBytesMax: 1024 * 1024,
  streamAgeMs: 1_000,
  giveUpMs: 30_000,
};

export interface ProducerProgress {
  /** Frames that `write` was called with. */
  readonly taken: number;
  /** Frames that the server acknowledged, those it already had included. */
  readonly stored: number;
  readonly takenLines: number;
  readonly storedLines: number;
  readonly state: 'streaming' | 'reconnecting' | 'stopped';
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
  /** The `place` of a frame that the server refused: it is not among those unconfirmed, which come after it. */
  readonly refusedAt: number | null;
}
