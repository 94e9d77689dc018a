import type { LineEncoder } from '../frame/line-encoder.js';
import type { Clock } from '../segment/clock.js';
import type { DirectorySyncer } from '../segment/directory-syncer.js';
import type { Files } from '../segment/files.js';
import type { Layout } from '../segment/layout.js';
import type { SealedSegment, SegmentSummary } from '../segment/sealed-segment.js';
import type { StorageError } from '../segment/storage-error.js';
import type { Admission } from './admission.js';
import type { BufferPool } from './buffer-pool.js';
import type { Gathering } from './gathering.js';
import type { Lane } from './lane.js';
import type { LoopHealth } from './loop-health.js';
import type { OpenFiles } from './open-files.js';
import type { RotationLimits } from './rotation-policy.js';
import type { StoredLookups } from './stored-lookups.js';
import type { UnsyncedLoops } from './unsynced-loops.js';
import type { WritePlaces } from './write-places.js';

/** What all writers share. */
export interface WriterContext {
  readonly files: Files;
  readonly clock: Clock;
  readonly layout: Layout;
  readonly directories: DirectorySyncer;
  readonly encoder: LineEncoder;
  readonly buffers: BufferPool;
  readonly admission: Admission;
  readonly openFiles: OpenFiles;
  readonly lookups: StoredLookups;
  readonly gathering: Gathering;
  readonly writePlaces: WritePlaces;
  readonly writeLane: Lane;
  readonly syncLane: Lane;
  readonly limits: RotationLimits;
  readonly fsync: 'ack' | 'never';
  readonly unsynced: UnsyncedLoops;
  /** Of the sessions that can't store at the moment. */
  readonly failing: Set<LoopHealth>;
  readonly counts: WriteCounts;
  readonly events: WriterEvents;
}

/** Plain numbers: the metrics read them at a scrape. */
export interface WriteCounts {
  framesWritten: number;
  bytesWritten: number;
  batchesWritten: number;
}

export interface WriterEvents {
  /** A segment lies under sealing/: what happens next is not the session's business. */
  sealed(segment: SealedSegment): void;
  /**
   * The lines in bytes[from, to) are in the session's file: each line once, in order, also when it had to be written again. The
   * bytes are the room's again when this returns.
   */
  written(sessionId: string, bytes: Buffer, from: number, to: number): void;
  /** One fdatasync of a segment took so long. */
  synced(seconds: number): void;
  /** From the arrival of the oldest frame until it was durable. */
  durable(seconds: number): void;
  failed(sessionId: string, error: StorageError, bySync: boolean): void;
  recovered(sessionId: string): void;
}

/** What is known of a session when its writer is made. */
export interface SessionHistory {
  readonly lastSeq: number;
  readonly producers: Iterable<readonly [string, number]>;
  /** Its active segment, as recovery found it; times are monotonic milliseconds and may lie before the start. */
  readonly active: {
    readonly summary: SegmentSummary;
    readonly openedAtMs: number;
    readonly lastActiveMs: number;
  } | null;
}
