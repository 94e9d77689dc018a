import { equalBytes } from '../frame/bytes.js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { FrameView } from '../frame/frame-view.js';
import type { StorageError } from '../segment/storage-error.js';
import type { Admission } from './admission.js';
import { type AppendOutcome, DUPLICATE, STORED, UNDECIDED } from './append-outcome.js';
import type { SessionRegistry } from './session-registry.js';
import type { SessionWriter } from './session-writer.js';

/** What one stream stored in one session. */
export interface StoredRange {
  readonly sessionId: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

interface Touched {
  readonly writer: SessionWriter;
  /** 0 while only duplicates came. */
  firstSeq: number;
  lastSeq: number;
  /** Of the writer, when this stream's last frame was taken. */
  mark: number;
}

export interface IntakeLimits {
  readonly maxFrameBytes: number;
  readonly maxSessionQueueBytes: number;
}

/** Plain numbers: the metrics read them at a scrape. */
export interface IntakeCounts {
  framesReceived: number;
  framesDuplicate: number;
  bytesReceived: number;
}

const FOLD_AT_MIN = 1024;

// One for all streams: a frame is parsed and encoded in one go, nothing else runs in between.
const view = new FrameView();

/**
 * The door that every stream of frames comes through, whatever carries it.
 *
 * *Ordering*: frames are numbered in the order of `take`. A frame of a session that has no writer yet makes `take` return a
 * promise, and so does one whose number was used for something that has to be looked up; nothing else may be taken until it
 * resolved.
 * *Durability*: `settle` resolves when everything taken is durable, duplicates included: the frame that a duplicate repeats may
 * still be on its way.
 */
export class Intake {
  received = 0;
  written = 0;
  duplicates = 0;

  readonly #registry: SessionRegistry;
  readonly #admission: Admission;
  readonly #limits: IntakeLimits;
  readonly #counts: IntakeCounts;
  readonly #flow: object;
  readonly #touched = new Map<SessionWriter, Touched>();
  readonly #folded = new Map<string, StoredRange>();
  #foldAt = FOLD_AT_MIN;
  #current: Touched | null = null;

  /** @param flow the stream, for the lanes: streams take turns */
  constructor(
    registry: SessionRegistry,
    admission: Admission,
    limits: IntakeLimits,
    counts: IntakeCounts,
    flow: object,
  ) {
    this.#registry = registry;
    this.#admission = admission;
    this.#limits = limits;
    this.#counts = counts;
    this.#flow = flow;
  }

  /**
   * Takes the LogFrame in bytes[start, end).
   * @returns null when it was taken, the problem when it can never be (a Conflict when its number is used for another one), or a
   *   promise of either when its session or its number has to be looked up on disk first. The promise rejects when that failed.
   */
  take(bytes: Uint8Array, start: number, end: number): FrameProblem | null | Promise<FrameProblem | null> {
    if (end - start > this.#limits.maxFrameBytes) {
      return { field: 'frame', reason: `is larger than LOG_MAX_FRAME_BYTES (${this.#limits.maxFrameBytes})` };
    }
    const problem = view.parse(bytes, start, end);
    if (problem !== null) {
      return problem;
    }
    const touched = this.#touch(bytes);
    return touched === null ? this.#openAndTake(bytes, start, end) : this.#append(touched, end - start);
  }

  /**
   * A promise while nothing more may be taken: too many bytes are held. To be asked before the first frame, and after each.
   * It rejects with Overload when that lasts, and with StorageError when the session's disk fails.
   */
  pressure(): Promise<void> | null {
    const writer = this.#current?.writer;
    if (writer !== undefined && writer.queueBytes > this.#limits.maxSessionQueueBytes) {
      const half = writer.mark - Math.floor(this.#limits.maxSessionQueueBytes / 2);
      return this.#admission.patiently(writer.loop.whenReleased(half));
    }
    return this.#admission.over ? this.#admission.whenBelow() : null;
  }

  /**
   * Waits until everything that was taken is as durable as LOG_FSYNC promises.
   * @returns what was stored, by session in the order of their first frames
   * @throws StorageError
   */
  async settle(): Promise<StoredRange[]> {
    const waits = Array.from(this.#touched.values(), ({ writer, mark }) => writer.loop.whenDurable(mark));
    // Every wait is looked at, also when one failed: a rejection that nobody handles ends the process.
    const results = await Promise.allSettled(waits);
    for (const result of results) {
      if (result.status === 'rejected') {
        throw result.reason as StorageError;
      }
    }
    return this.#ranges();
  }

  #touch(bytes: Uint8Array): Touched | null {
    const current = this.#current;
    const { sessionIdStart, sessionIdEnd } = view;
    if (
      current !== null &&
      !current.writer.retired &&
      equalBytes(current.writer.idBytes, bytes, sessionIdStart, sessionIdEnd)
    ) {
      return current;
    }
    const writer = this.#registry.find(bytes, sessionIdStart, sessionIdEnd);
    if (writer === null) {
      return null;
    }
    this.#current = this.#touchedOf(writer);
    return this.#current;
  }

  #touchedOf(writer: SessionWriter): Touched {
    writer.flow = this.#flow;
    let touched = this.#touched.get(writer);
    if (touched === undefined) {
      if (this.#touched.size >= this.#foldAt) {
        this.#fold();
      }
      touched = { writer, firstSeq: 0, lastSeq: 0, mark: 0 };
      this.#touched.set(writer, touched);
    }
    return touched;
  }

  async #openAndTake(bytes: Uint8Array, start: number, end: number): Promise<FrameProblem | null> {
    // Invalid UTF-8 becomes U+FFFD here as it does in the line: the id that is stored is the session's.
    const id = Buffer.from(
      bytes.buffer,
      bytes.byteOffset + view.sessionIdStart,
      view.sessionIdEnd - view.sessionIdStart,
    );
    const writer = await this.#registry.open(id.toString('utf8'));
    // Other streams have used the view in the meantime.
    view.parse(bytes, start, end);
    this.#current = this.#touchedOf(writer);
    return this.#append(this.#current, end - start);
  }

  #append(touched: Touched, frameBytes: number): FrameProblem | null | Promise<FrameProblem | null> {
    const outcome = touched.writer.append(view);
    return outcome === UNDECIDED
      ? this.#lookUpAndTake(touched, view.bytes, view.start, view.end)
      : this.#taken(touched, outcome, frameBytes);
  }

  /** Other streams may append meanwhile: what stands under a used number stays the same. */
  async #lookUpAndTake(touched: Touched, bytes: Uint8Array, start: number, end: number): Promise<FrameProblem | null> {
    const line = await touched.writer.storedLine(view.seq);
    view.parse(bytes, start, end);
    return this.#taken(touched, touched.writer.compare(view, line), end - start);
  }

  #taken(touched: Touched, outcome: Exclude<AppendOutcome, typeof UNDECIDED>, frameBytes: number): FrameProblem | null {
    if (outcome !== STORED && outcome !== DUPLICATE) {
      return outcome;
    }
    const { writer } = touched;
    this.received++;
    this.#counts.framesReceived++;
    this.#counts.bytesReceived += frameBytes;
    touched.mark = writer.mark;
    if (outcome === DUPLICATE) {
      this.duplicates++;
      this.#counts.framesDuplicate++;
      return null;
    }
    this.written++;
    touched.lastSeq = writer.lastSeq;
    if (touched.firstSeq === 0) {
      touched.firstSeq = writer.lastSeq;
    }
    return null;
  }

  /** A long stream must not hold the writers of sessions that are over: what they stored is durable. */
  #fold(): void {
    for (const [writer, touched] of this.#touched) {
      if (writer.retired) {
        this.#extend(this.#folded, touched);
        this.#touched.delete(writer);
      }
    }
    this.#foldAt = Math.max(FOLD_AT_MIN, this.#touched.size * 2);
  }

  #ranges(): StoredRange[] {
    const ranges = new Map(this.#folded);
    for (const touched of this.#touched.values()) {
      this.#extend(ranges, touched);
    }
    return [...ranges.values()];
  }

  /** A session that was forgotten and came back during the stream was touched twice. */
  #extend(ranges: Map<string, StoredRange>, { writer, firstSeq, lastSeq }: Touched): void {
    if (firstSeq !== 0) {
      const { sessionId } = writer;
      ranges.set(sessionId, { sessionId, firstSeq: ranges.get(sessionId)?.firstSeq ?? firstSeq, lastSeq });
    }
  }
}
