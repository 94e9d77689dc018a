import { ActiveSegment, type SegmentContent, SyncFailed } from '../segment/active-segment.js';
import { backoffMs } from '../segment/backoff.js';
import { activePath, sealingPath } from '../segment/layout.js';
import { StorageError } from '../segment/storage-error.js';
import { GATHER_BYTES } from './gathering.js';
import { MarkWaiters } from './mark-waiters.js';
import type { OpenFileOwner } from './open-files.js';
import { type BatchSource, type Cut, type InFlight, inFlightOf } from './pending-lines.js';
import type { WriterContext } from './writer-context.js';

const BACKOFF = { firstMs: 100, maxMs: 2000 };

/**
 * The loop that owns a session's file: swap buffers, write, sync when somebody waits, seal at each cut.
 *
 * *Ordering*: one turn at a time (`#phase`), and a turn writes batches and cuts in the order they were made.
 * *Group commit*: while a turn runs, arrivals gather in the source's next batch; a turn's sync serves everybody whose
 * bytes were written before it began.
 * *Failure*: a batch that could not be written stays and is tried again before anything else; who waits is told at once.
 * A failed sync is never repeated on its descriptor: the kernel marks the pages clean and the next one would lie.
 * `failures` rises, so that every stream with frames here reports them, and the segment ends.
 */
export class WriteLoop implements OpenFileOwner {
  /** How often written bytes may have been lost by a failed sync. */
  failures = 0;

  readonly #context: WriterContext;
  readonly #source: BatchSource;
  readonly #waiters = new MarkWaiters();
  readonly #writtenWaiters = new MarkWaiters();
  readonly #runTurn = (): Promise<void> => this.#turn();
  readonly #gathered = (): void => {
    if (this.#phase === 'gathering') {
      this.#enqueue();
    }
  };
  readonly #runBackgroundSync = (): Promise<void> => this.#backgroundSync();
  #segment: ActiveSegment | null;
  #inFlight: InFlight | null = null;
  /** Bytes written since the loop was made; durability marks count the same bytes. */
  #writtenMark = 0;
  #phase: 'quiet' | 'gathering' | 'queued' | 'working' | 'backoff' = 'quiet';
  #closing: Promise<void> | null = null;
  #syncQueued = false;
  #syncDue = false;
  /** Monotonic milliseconds: arrival of the oldest frame that is not durable. */
  #oldestUnsyncedMs: number | null = null;
  #failedTurns = 0;
  /** Told at the end of each turn. */
  #draining: (() => void)[] = [];
  #error: StorageError | null = null;

  constructor(context: WriterContext, source: BatchSource, resumed: SegmentContent | null) {
    this.#context = context;
    this.#source = source;
    this.#segment = resumed === null ? null : this.#newSegment(resumed);
  }

  get busy(): boolean {
    return this.#phase === 'working';
  }

  /** Why the session can't store at the moment. */
  get error(): StorageError | null {
    return this.#error;
  }

  get writtenMark(): number {
    return this.#writtenMark;
  }

  /** Nothing is pending, under way or waited for, and there is no file. */
  get isEmpty(): boolean {
    return this.#phase === 'quiet' && this.#segment === null && !this.#waiters.any && this.#closing === null;
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
    const done = this.#waiters.wait(mark);
    if (this.#waiters.any) {
      this.wake();
    }
    return done;
  }

  /** Resolves when everything before `mark` is written; waits through failures. */
  whenWritten(mark: number): Promise<void> {
    return this.#writtenWaiters.wait(mark);
  }

  /** Written bytes get a sync without anybody waiting: at most LOG_FLUSH_INTERVAL_MS pass unsynced. */
  syncInBackground(): void {
    if (!this.#syncQueued && this.#segment?.unsynced === true) {
      this.#syncQueued = true;
      this.#context.syncLane.enqueue(this.#runBackgroundSync);
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
    while ((this.#source.hasBatch || this.#phase !== 'quiet') && this.#error === null) {
      const turned = new Promise<void>((resolve) => this.#draining.push(resolve));
      this.wake();
      await turned;
    }
    if (this.#error !== null) {
      throw this.#error;
    }
    await this.closeFile();
    if (this.#error !== null) {
      throw this.#error;
    }
  }

  #newSegment(resumed?: SegmentContent): ActiveSegment {
    const { files, directories, layout } = this.#context;
    return new ActiveSegment(files, directories, activePath(layout, this.#source.sessionId), resumed);
  }

  /** Whoever waits is served at once; else lines gather until they are worth a write, for a moment at most. */
  #schedule(): void {
    const urgent = this.#waiters.any || this.#draining.length > 0 || this.#source.pendingBytes >= GATHER_BYTES;
    if (urgent) {
      this.#enqueue();
    } else if (this.#phase !== 'gathering') {
      this.#phase = 'gathering';
      this.#context.gathering.add(this.#gathered);
    }
  }

  #enqueue(): void {
    this.#phase = 'queued';
    this.#context.writeLane.enqueue(this.#runTurn);
  }

  /** One place in a lane: everything that gathered is written, and synced when somebody waits. Never rejects. */
  async #turn(): Promise<void> {
    this.#phase = 'working';
    try {
      await this.#closing;
      await this.#writeGathered();
      await this.#syncIfDue();
      this.#stored();
      this.#phase = 'quiet';
      if (this.#source.hasBatch || this.#waiters.any) {
        this.#schedule();
      }
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

  async #writeGathered(): Promise<void> {
    this.#inFlight ??= inFlightOf(this.#source.takeBatch());
    const inFlight = this.#inFlight;
    if (inFlight === null) {
      return;
    }
    const { batch } = inFlight;
    for (let cut = batch.cuts[inFlight.cuts]; cut !== undefined; cut = batch.cuts[inFlight.cuts]) {
      await this.#writeUpTo(inFlight, cut.offset);
      await this.#seal(inFlight, cut);
    }
    await this.#writeUpTo(inFlight, batch.buffer.length);
    this.#context.counts.framesWritten += batch.frames;
    this.#inFlight = null;
    this.#context.buffers.give(batch.buffer);
  }

  async #writeUpTo(inFlight: InFlight, end: number): Promise<void> {
    const { batch, offset } = inFlight;
    if (offset === end) {
      return;
    }
    const segment = await this.#openSegment();
    this.#oldestUnsyncedMs ??= batch.startedAtMs;
    await segment.append(batch.buffer.bytes, offset, end);
    inFlight.offset = end;
    this.#writtenMark += end - offset;
    this.#context.admission.release(end - offset);
    this.#context.counts.bytesWritten += end - offset;
    this.#context.counts.batchesWritten++;
    this.#writtenWaiters.reach(this.#writtenMark);
  }

  async #openSegment(): Promise<ActiveSegment> {
    this.#segment ??= this.#newSegment();
    if (this.#segment.isOpen) {
      this.#context.openFiles.touch(this);
    } else {
      await this.#context.openFiles.acquire(this);
      await this.#segment.open();
    }
    return this.#segment;
  }

  async #seal(inFlight: InFlight, cut: Cut): Promise<void> {
    const { layout, clock, openFiles, events } = this.#context;
    const { sessionId } = this.#source;
    const { firstSeq, lastSeq, frames } = cut.tally;
    inFlight.sealedAtMs ??= Math.floor(clock.wallMs() / 1000) * 1000;
    const { sealedAtMs } = inFlight;
    const rawPath = sealingPath(layout, sessionId, { firstSeq, lastSeq, sealedAtMs });
    const segment = await this.#openSegment();
    await segment.moveTo(rawPath, layout.sealing);
    inFlight.sealedAtMs = null;
    inFlight.cuts++;
    this.#segment = null;
    openFiles.release(this);
    this.#reached();
    const summary = { sessionId, firstSeq, lastSeq, frames, ...segment.content, producers: cut.producers };
    events.sealed({ summary, sealedAtMs, reason: cut.reason, rawPath });
  }

  async #syncIfDue(): Promise<void> {
    const asked = this.#context.fsync === 'ack' && this.#waiters.anyUpTo(this.#writtenMark);
    const due = this.#syncDue || asked;
    this.#syncDue = false;
    if (this.#segment?.unsynced !== true || this.#context.fsync === 'never') {
      this.#reached();
    }
    if (this.#segment?.unsynced !== true) {
      return;
    }
    if (!due) {
      this.#context.unsynced.add(this);
      return;
    }
    const segment = await this.#openSegment();
    const startedAtMs = this.#context.clock.monotonicMs();
    await segment.sync();
    this.#context.events.synced((this.#context.clock.monotonicMs() - startedAtMs) / 1000);
    this.#reached();
  }

  /** Everything written is durable. */
  #reached(): void {
    this.#context.unsynced.delete(this);
    if (this.#oldestUnsyncedMs !== null) {
      this.#context.events.durable((this.#context.clock.monotonicMs() - this.#oldestUnsyncedMs) / 1000);
      this.#oldestUnsyncedMs = null;
    }
    this.#waiters.reach(this.#writtenMark);
  }

  #failed(cause: unknown): void {
    this.#report(cause);
    if (this.#segment?.isOpen !== true) {
      this.#context.openFiles.release(this);
    }
    this.#phase = 'backoff';
    this.#context.clock.after(backoffMs(++this.#failedTurns, BACKOFF), () => this.#enqueue());
  }

  #report(cause: unknown): void {
    const bySync = cause instanceof SyncFailed;
    const error = StorageError.from(bySync ? cause.cause : cause);
    this.#error = error;
    this.#context.failing.add(this);
    this.#context.events.failed(this.#source.sessionId, error, bySync);
    this.#waiters.fail(error);
    if (bySync) {
      this.failures++;
      this.#waiters.reach(this.#writtenMark);
      this.#source.endSegment();
    }
  }

  #stored(): void {
    if (this.#error !== null) {
      this.#error = null;
      this.#failedTurns = 0;
      this.#context.failing.delete(this);
      this.#context.events.recovered(this.#source.sessionId);
    }
  }

  async #close(): Promise<void> {
    try {
      await this.#segment?.close();
    } catch (error) {
      this.#report(error);
    } finally {
      this.#context.openFiles.release(this);
    }
  }
}
