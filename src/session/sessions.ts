import { LineEncoder } from '../frame/line-encoder.js';
import type { Clock } from '../segment/clock.js';
import { DirectorySyncer } from '../segment/directory-syncer.js';
import type { Files } from '../segment/files.js';
import type { Layout } from '../segment/layout.js';
import type { StorageError } from '../segment/storage-error.js';
import { Admission } from './admission.js';
import { BufferPool } from './buffer-pool.js';
import { Flow } from './flow.js';
import { Gathering } from './gathering.js';
import { Intake, type IntakeCounts } from './intake.js';
import { Lane } from './lane.js';
import { OpenFiles } from './open-files.js';
import type { RotationLimits } from './rotation-policy.js';
import { type FindHistory, SessionRegistry } from './session-registry.js';
import { type ReadLines, StoredLookups } from './stored-lookups.js';
import { UnsyncedLoops } from './unsynced-loops.js';
import { WritePlaces } from './write-places.js';
import type { WriteCounts, WriterContext, WriterEvents } from './writer-context.js';

/** Sessions synced at once with nobody waiting. */
const SYNC_PLACES = 4;
const BUFFER_REST_BYTES = 8 * 1024 * 1024;
/** Past this, whoever holds its share of it syncs though nobody waits. */
const HELD_BYTES_MAX = 32 * 1024 * 1024;

export interface SessionsOptions {
  readonly files: Files;
  readonly clock: Clock;
  readonly layout: Layout;
  readonly limits: RotationLimits;
  readonly fsync: 'ack' | 'never';
  readonly flushIntervalMs: number;
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
  readonly maxSessionQueueBytes: number;
  readonly maxOpenFiles: number;
  readonly counts: WriteCounts & IntakeCounts;
  readonly events: WriterEvents;
  readonly findHistory: FindHistory;
  /** How much of the time since the last call the event loop was busy, 0 to 1. */
  readonly busyShare: () => number;
  /** Tells a repeated frame from another one under its number. */
  readonly readLines: ReadLines;
}

/** The session room as one part: what the doors and the composition root see of it. */
export class Sessions {
  readonly registry: SessionRegistry;
  readonly #options: SessionsOptions;
  readonly #context: WriterContext;

  constructor(options: SessionsOptions) {
    const { files, clock, layout, limits, fsync, counts, events } = options;
    this.#options = options;
    const admission = new Admission(options.maxQueueBytes, clock);
    const writePlaces = new WritePlaces(options.busyShare);
    this.#context = {
      files,
      clock,
      layout,
      limits,
      fsync,
      counts,
      events: {
        ...events,
        synced: (seconds) => {
          writePlaces.synced(seconds);
          events.synced(seconds);
        },
      },
      directories: new DirectorySyncer(files),
      encoder: new LineEncoder(),
      buffers: new BufferPool(BUFFER_REST_BYTES),
      admission,
      openFiles: new OpenFiles(options.maxOpenFiles),
      lookups: new StoredLookups(options.readLines, clock),
      gathering: new Gathering(clock),
      writePlaces,
      writeLane: new Lane((waiting) => writePlaces.places(waiting), clock),
      syncLane: new Lane(SYNC_PLACES, clock),
      unsynced: new UnsyncedLoops(admission, HELD_BYTES_MAX),
      failing: new Set(),
    };
    this.registry = new SessionRegistry(this.#context, options.findHistory);
  }

  /** Starts rotation by time and background syncs. */
  start(): void {
    this.registry.start(this.#options.flushIntervalMs);
  }

  newIntake(flow = new Flow()): Intake {
    return new Intake(this.registry, this.#context.admission, this.#options, this.#options.counts, flow);
  }

  /** Gives one descriptor back; with `named`, without an fsync of a directory. Resolves to false when there is none to give. */
  closeOneFile(named: boolean): Promise<boolean> {
    return this.#context.openFiles.closeOne(named);
  }

  get openFiles(): number {
    return this.#context.openFiles.count;
  }

  /** Encoded and not written, bytes. */
  get queueBytes(): number {
    return this.#context.admission.bytes;
  }

  /** Why some session can't store frames at the moment, or null. */
  get storageError(): StorageError | null {
    return this.registry.storageError;
  }
}
