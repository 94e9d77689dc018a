import type { SealReason } from '../segment/sealed-segment.js';
import type { StorageError } from '../segment/storage-error.js';
import { SessionIndex } from './session-index.js';
import { SessionWriter } from './session-writer.js';
import type { SessionHistory, WriterContext } from './writer-context.js';

/** What is on disk, or on its way there, of a session that has no writer. */
export type FindHistory = (sessionId: string) => Promise<SessionHistory>;

/** The next frame is new above these. */
export interface SessionPosition {
  /** 0 for a session that nothing is known of. */
  readonly lastSeq: number;
  /** The highest of the asked producer; 0 when none is remembered. */
  readonly producerSeq: number;
}

const SWEEP_INTERVAL_MS = 250;

/**
 * All sessions that hold anything in memory.
 *
 * *Who owns what*: a session has at most one writer; it is made when a frame comes and forgotten when the session was idle,
 * its segment is sealed and nothing is pending. An idle session costs nothing here: its last seq is found on disk again.
 * *Time*: one sweep for all sessions, not a timer each, asks for rotation by age and idleness; another tick syncs
 * what nobody waits for.
 */
export class SessionRegistry {
  readonly #context: WriterContext;
  readonly #findHistory: FindHistory;
  readonly #index = new SessionIndex();
  readonly #opening = new Map<string, Promise<SessionWriter>>();
  #stopTimers: (() => void)[] = [];

  constructor(context: WriterContext, findHistory: FindHistory) {
    this.#context = context;
    this.#findHistory = findHistory;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Unix milliseconds: what frames get for a time that bring none. */
  wallMs(): number {
    return this.#context.clock.wallMs();
  }

  /** Why some session can't store frames at the moment, or null. */
  get storageError(): StorageError | null {
    for (const { error } of this.#context.failing) {
      return error;
    }
    return null;
  }

  /** Goes on with a session whose active segment recovery found. */
  adopt(sessionId: string, history: SessionHistory): void {
    this.#index.add(new SessionWriter(this.#context, sessionId, history));
  }

  /** The writer of the session whose id stands in bytes[start, end), or null when it has none. */
  find(bytes: Uint8Array, start: number, end: number): SessionWriter | null {
    return this.#index.find(bytes, start, end);
  }

  /** The writer of a session by its id, or null when it has none. */
  get(sessionId: string): SessionWriter | null {
    const bytes = Buffer.from(sessionId);
    return this.#index.find(bytes, 0, bytes.length);
  }

  /**
   * Finds the session's writer or makes one.
   * @throws StorageError when the disk failed, else what reading the session's last manifest threw
   */
  open(sessionId: string): Promise<SessionWriter> {
    const found = this.get(sessionId);
    if (found !== null) {
      return Promise.resolve(found);
    }
    let opening = this.#opening.get(sessionId);
    if (opening === undefined) {
      opening = this.#make(sessionId).finally(() => this.#opening.delete(sessionId));
      this.#opening.set(sessionId, opening);
    }
    return opening;
  }

  /**
   * Where a session stands, made as durable as LOG_FSYNC promises before it is told. Makes no writer.
   * @throws StorageError when that failed, and what reading the session's last manifest threw
   */
  async position(sessionId: string, producerId: string): Promise<SessionPosition> {
    const writer = this.get(sessionId);
    if (writer === null) {
      const { lastSeq, producers } = await this.#findHistory(sessionId);
      return { lastSeq, producerSeq: new Map(producers).get(producerId) ?? 0 };
    }
    const position = { lastSeq: writer.lastSeq, producerSeq: writer.producerSeqOf(producerId) };
    await writer.loop.whenDurable(writer.mark);
    return position;
  }

  /** Resolves when every line that a session took is as durable as LOG_FSYNC promises. @throws StorageError when that failed */
  async whenDurable(sessionId: string): Promise<void> {
    const writer = this.get(sessionId);
    await writer?.loop.whenDurable(writer.mark);
  }

  /**
   * Ends the session's segment: every frame that was taken before is under sealing/, or further, when it resolves. Makes no writer.
   * @returns the last of their numbers; 0 for a session that nothing is known of
   * @throws StorageError when that failed, and what reading the session's last manifest threw
   */
  async seal(sessionId: string, reason: SealReason): Promise<number> {
    const writer = this.get(sessionId);
    if (writer === null) {
      return (await this.#findHistory(sessionId)).lastSeq;
    }
    const { lastSeq } = writer;
    await writer.loop.whenSealed(writer.cut(reason));
    return lastSeq;
  }

  /** Starts rotation by time and background syncs. */
  start(flushIntervalMs: number): void {
    const { clock, fsync } = this.#context;
    this.#stopTimers.push(clock.every(SWEEP_INTERVAL_MS, () => this.sweep()));
    if (fsync === 'ack') {
      this.#stopTimers.push(clock.every(flushIntervalMs, () => this.#context.unsynced.syncAll()));
    }
  }

  sweep(): void {
    const nowMs = this.#context.clock.monotonicMs();
    for (const writer of this.#index) {
      if (writer.sweep(nowMs)) {
        writer.retired = true;
        this.#index.remove(writer);
      }
    }
    this.#context.lookups.sweep(nowMs);
    this.#context.buffers.sweep(nowMs);
    this.#context.writePlaces.sample();
    this.#context.writeLane.fill();
  }

  /**
   * Writes and syncs everything and closes all files; segments stay active, and the next start goes on in them.
   * @returns the sessions that could not be written, with the reason
   */
  async drain(): Promise<{ sessionId: string; error: unknown }[]> {
    for (const stop of this.#stopTimers.splice(0)) {
      stop();
    }
    this.#context.admission.releaseAll();
    this.#context.writePlaces.relax();
    this.#context.writeLane.fill();
    await Promise.allSettled(this.#opening.values());
    const failed: { sessionId: string; error: unknown }[] = [];
    const drainOne = async (writer: SessionWriter): Promise<void> => {
      try {
        await writer.loop.drain();
      } catch (error) {
        failed.push({ sessionId: writer.sessionId, error });
      }
    };
    await Promise.all([...this.#index].map(drainOne));
    await this.#context.lookups.closeAll();
    return failed;
  }

  async #make(sessionId: string): Promise<SessionWriter> {
    const writer = new SessionWriter(this.#context, sessionId, await this.#findHistory(sessionId));
    this.#index.add(writer);
    return writer;
  }
}
