import { type SegmentContent, SyncFailed } from '../segment/active-segment.js';
import { lineSeq } from '../segment/line.js';
import type { StorageError } from '../segment/storage-error.js';
import { BatchQueue } from './batch-queue.js';
import { GATHER_BYTES } from './gathering.js';
import { LoopHealth } from './loop-health.js';
import type { OpenFileOwner } from './open-files.js';
import type { BatchSource } from './pending-lines.js';
import { SegmentWriter } from './segment-writer.js';
import { WriteProgress } from './write-progress.js';
import type { WriterContext } from './writer-context.js';

/**
 * The loop that owns a session's file: take what gathered, write, sync when somebody waits, seal at each cut.
 *
 * *Ordering*: one turn at a time (`#phase`), and a turn does the queue's steps in order.
 * *Group commit*: while a turn runs, arrivals gather in the source's next batch; a turn's sync serves everybody whose
 * bytes were written before it began.
 * *Failure*: what is not durable stays in memory. After a failed write it is tried again. A failed sync is never repeated on
 * its descriptor, since the kernel marks the pages clean and the next one would lie: the segment ends with what was durable,
 * and the rest is written again into a new one. Who waits is told when that fails too; the loop goes on trying.
 */
export class WriteLoop implements OpenFileOwner {
  readonly #context: WriterContext;
  readonly #source: BatchSource;
  readonly #queue: BatchQueue;
  readonly #segment: SegmentWriter;
  readonly #progress: WriteProgress;
  readonly #health: LoopHealth;
  readonly #runTurn = (): Promise<void> => this.#turn();
  readonly #runBackgroundSync = (): Promise<void> => this.#backgroundSync();
  readonly #gathered = (): void => {
    if (this.#phase === 'gathering') {
      this.#enqueue();
    }
  };
  #phase: 'quiet' | 'gathering' | 'queued' | 'working' | 'backoff' = 'quiet';
  #closing: Promise<void> | null = null;
  #syncQueued = false;
  #syncDue = false;
  #untrusted = false;
  #draining: (() => void)[] = [];

  /** @param resumed what recovery found in the session's active file, and synced */
  constructor(context: WriterContext, source: BatchSource, resumed: SegmentContent | null) {
    this.#context = context;
    this.#source = source;
    this.#progress = new WriteProgress(context);
    this.#health = new LoopHealth(context, source.sessionId);
    this.#segment = new SegmentWriter(context, source.sessionId, this, resumed);
    this.#queue = new BatchQueue(
      (batch) => context.buffers.give(batch.buffer),
      (frames) => {
        context.counts.framesWritten += frames;
      },
    );
  }

  get busy(): boolean {
    return this.#phase === 'working';
  }

  get nameUnsynced(): boolean {
    return this.#segment.nameUnsynced;
  }

  /** Up to here memory was given back: durable bytes, or written ones with LOG_FSYNC=never. */
  get releasedMark(): number {
    return this.#progress.released.reached;
  }

  /** Nothing is pending, under way or waited for, and there is no file. */
  get isEmpty(): boolean {
    const atRest = this.#phase === 'quiet' && this.#closing === null;
    return atRest && !this.#segment.hasFile && this.#queue.isEmpty && !this.#progress.durable.any;
  }

  /** The source has something. */
  wake(): void {
    if (this.#phase === 'quiet' || this.#phase === 'gathering') {
      this.#schedule();
    }
  }

  /**
   * Resolves when everything before `mark` is as durable as LOG_FSYNC promises.
   * @throws StorageError when that failed; the bytes may be stored all the same
   */
  whenDurable(mark: number): Promise<void> {
    return this.#hurried(this.#progress.durable.wait(mark));
  }

  /** Resolves when so many cuts are sealed. @throws StorageError as `whenDurable` */
  whenSealed(cuts: number): Promise<void> {
    return this.#hurried(this.#progress.sealed.wait(cuts));
  }

  /** Resolves when the memory of everything before `mark` was given back. @throws StorageError as `whenDurable` */
  whenReleased(mark: number): Promise<void> {
    this.#syncDue = true;
    this.wake();
    return this.#progress.released.wait(mark);
  }

  /** Written bytes get a sync without anybody waiting: at most LOG_FLUSH_INTERVAL_MS pass unsynced. */
  syncInBackground(): void {
    if (!this.#syncQueued && this.#segment.unsynced) {
      this.#syncQueued = true;
      this.#context.syncLane.enqueue(this.#runBackgroundSync, this.#source.flow);
    }
  }

  /** Syncs the file and gives its descriptor back; never rejects. Not to be called while `busy`. */
  closeFile(): Promise<void> {
    this.#closing ??= this.#close().finally(() => {
      this.#closing = null;
    });
    return this.#closing;
  }

  /** Writes and syncs what there is, and closes the file. @throws StorageError when that failed */
  async drain(): Promise<void> {
    do {
      while ((this.#source.hasBatch || this.#phase !== 'quiet' || this.#untrusted) && this.#health.error === null) {
        const turned = new Promise<void>((resolve) => this.#draining.push(resolve));
        this.wake();
        await turned;
      }
      if (this.#health.error === null) {
        await this.closeFile();
      }
    } while (this.#untrusted && this.#health.error === null);
    if (this.#health.error !== null) {
      this.#progress.fail(this.#health.error);
      throw this.#health.error;
    }
  }

  #hurried(done: Promise<void>): Promise<void> {
    if (this.#progress.isUrgent) {
      this.wake();
    }
    return done;
  }

  /** Whoever waits is served at once; else lines gather until they are worth a write, for a moment at most. */
  #schedule(): void {
    const awaited = this.#progress.isUrgent || this.#draining.length > 0 || this.#untrusted;
    if (awaited || this.#source.pendingBytes >= GATHER_BYTES) {
      this.#enqueue();
    } else if (this.#phase !== 'gathering') {
      this.#phase = 'gathering';
      this.#context.gathering.add(this.#gathered);
    }
  }

  #enqueue(): void {
    this.#phase = 'queued';
    this.#context.writeLane.enqueue(this.#runTurn, this.#source.flow);
  }

  /** One place in a lane: everything that gathered is written, and synced when somebody waits. Never rejects. */
  async #turn(): Promise<void> {
    this.#phase = 'working';
    try {
      await this.#closing;
      await this.#endUntrusted();
      await this.#write();
      await this.#syncIfDue();
      this.#succeeded();
    } catch (error) {
      this.#failed(error);
    }
    for (const resume of this.#draining.splice(0)) {
      resume();
    }
  }

  /** Never takes a turn away from a write: a busy session's next turn syncs as well. */
  async #backgroundSync(): Promise<void> {
    this.#syncQueued = false;
    this.#syncDue = true;
    if (this.#phase === 'quiet' || this.#phase === 'gathering') {
      await this.#turn();
    }
  }

  async #write(): Promise<void> {
    const gathered = this.#source.takeBatch();
    if (gathered !== null) {
      this.#queue.add(gathered);
    }
    for (let step = this.#queue.next(); step !== null; step = this.#queue.next()) {
      if (step.kind === 'write') {
        await this.#segment.append(step.batch.buffer.bytes, step.from, step.to);
        this.#progress.wrote(step.to - step.from, step.batch.startedAtMs);
        const from = this.#queue.wrote(step);
        if (from < step.to) {
          this.#context.events.written(this.#source.sessionId, step.batch.buffer.bytes, from, step.to);
        }
      } else {
        if (step.cut.tally.frames > 0) {
          await this.#segment.seal(step.cut);
        }
        this.#queue.sealed();
        this.#progress.sealed.reach(this.#progress.sealed.reached + 1);
        this.#reached();
      }
    }
  }

  async #syncIfDue(): Promise<void> {
    const { fsync, unsynced, clock, events } = this.#context;
    const due = this.#syncDue || this.#progress.isAwaited || unsynced.isDue(this.#queue.unsyncedBytes);
    this.#syncDue = false;
    if (fsync === 'never' || !this.#segment.unsynced) {
      this.#reached();
    } else if (due) {
      const startedAtMs = clock.monotonicMs();
      await this.#segment.sync();
      events.synced((clock.monotonicMs() - startedAtMs) / 1000);
      this.#reached();
    } else {
      unsynced.add(this);
    }
  }

  #reached(): void {
    this.#context.unsynced.delete(this);
    this.#health.failedSyncs = 0;
    this.#queue.synced();
    this.#progress.reached();
  }

  /** What was durable is sealed; what was not is due again, and begins the next segment. */
  async #endUntrusted(): Promise<void> {
    const tally = this.#queue.nextTally() ?? this.#source.nextTally;
    if (!this.#untrusted || tally === null) {
      return;
    }
    await this.#segment.endUntrusted(tally);
    this.#untrusted = false;
    this.#progress.rewind(this.#queue.rewind());
    const first = this.#queue.firstUnsynced() ?? this.#source.firstPending;
    if (first !== null) {
      tally.firstSeq = lineSeq(first.buffer, first.offset);
    }
  }

  #succeeded(): void {
    this.#health.succeeded();
    this.#phase = 'quiet';
    if (this.#source.hasBatch || this.#progress.isUrgent) {
      this.#schedule();
    }
  }

  #failed(cause: unknown): void {
    const error = this.#report(cause);
    if (cause instanceof SyncFailed && this.#health.failedSyncs === 1) {
      // The first one is made good at once, and nobody has to know.
      this.#enqueue();
      return;
    }
    this.#health.tell(error);
    this.#progress.fail(error);
    this.#phase = 'backoff';
    this.#context.clock.after(this.#health.pauseMs, () => this.#enqueue());
  }

  #report(cause: unknown): StorageError {
    const error = this.#health.failed(cause);
    if (cause instanceof SyncFailed) {
      this.#untrusted = this.#context.fsync === 'ack';
      this.#segment.forgoSync(this.#context.fsync);
    }
    if (!this.#segment.isOpen) {
      this.#context.openFiles.release(this);
    }
    return error;
  }

  async #close(): Promise<void> {
    try {
      await this.#segment.close();
    } catch (cause) {
      const error = this.#report(cause);
      if (this.#health.failedSyncs > 1) {
        this.#health.tell(error);
        this.#progress.fail(error);
      }
      this.wake();
    }
    // Also when close(2) itself failed: the queue must hold as durable what the segment does, or it is written twice.
    if (!this.#untrusted && !this.#segment.unsynced) {
      this.#reached();
    }
  }
}
