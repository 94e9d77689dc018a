import { equalBytes } from '../frame/bytes.js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { FrameView } from '../frame/frame-view.js';
import { FULL, OTHER_PRODUCER, OTHER_SESSION, RunEncoder, type RunFormat } from '../frame/run-encoder.js';
import type { Admission } from './admission.js';
import { type AppendOutcome, DUPLICATE, STORED, UNDECIDED } from './append-outcome.js';
import type { Flow } from './flow.js';
import type { SessionRegistry } from './session-registry.js';
import type { SessionWriter } from './session-writer.js';
import { type StoredRange, type Touched, TouchedSessions } from './touched-sessions.js';

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

// One for all streams: a frame is parsed and encoded in one go, nothing else runs in between.
const view = new FrameView();
const runs = new RunEncoder();
/** What `runs` has loaded, whole. */
let loaded: Uint8Array | null = null;
/** No frame has an empty id: whoever's the frame is, it is another session's. */
const NOBODY = { idBytes: new Uint8Array(0), idJson: new Uint8Array(0) };
/** How many frames are taken one by one at most before a run is tried again. */
const FRUITLESS_MAX = 64;

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
  readonly #flow: Flow;
  readonly #touched = new TouchedSessions();
  #current: Touched | null = null;

  constructor(registry: SessionRegistry, admission: Admission, limits: IntakeLimits, counts: IntakeCounts, flow: Flow) {
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
   * Takes frames together that need no closer look, as far as they stand one behind the other; the next one is for `take`.
   * @param bytes a whole message, or several; not to change while it is taken from
   * @param position of the first frame's tag (BATCH) or header (GROUP)
   * @returns how many were taken; none says nothing about the frame
   */
  takeRun(bytes: Uint8Array, position: number, format: RunFormat): number {
    const flow = this.#flow;
    if (flow.skips > 0) {
      flow.skips--;
      return 0;
    }
    if (!isLoaded(bytes)) {
      return 0;
    }
    let touched = this.#current;
    if (touched === null || touched.writer.retired) {
      touched = this.#touchFirst(bytes, position, format);
    }
    const nowMs = this.#registry.wallMs();
    let taken = 0;
    for (let at = position; touched !== null; at = runs.position) {
      const result = touched.writer.appendRun(runs, at, format, this.#limits.maxFrameBytes, nowMs);
      taken += this.#takenTogether(touched);
      if (result === OTHER_SESSION) {
        touched = this.#touchAt(bytes, runs.idStart, runs.idEnd);
      } else if (result === OTHER_PRODUCER) {
        touched.writer.nameProducer(bytes, runs.idStart, runs.idEnd);
      } else if (result !== FULL) {
        break;
      }
    }
    // Frames of a kind that runs do not take come in a row.
    flow.fruitless = taken > 0 ? 0 : Math.min(FRUITLESS_MAX, flow.fruitless * 2 + 1);
    flow.skips = flow.fruitless >> 1;
    return taken;
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
    await this.#touched.whenDurable();
    return this.#touched.ranges();
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
    return this.#touchAt(bytes, sessionIdStart, sessionIdEnd);
  }

  /** Whose the frame at `position` of the loaded piece is; null when its session has no writer, or it needs a closer look. */
  #touchFirst(bytes: Uint8Array, position: number, format: RunFormat): Touched | null {
    const result = runs.encodeRun(position, format, NOBODY, 0, 0, this.#limits.maxFrameBytes, 0, null, 0);
    return result === OTHER_SESSION ? this.#touchAt(bytes, runs.idStart, runs.idEnd) : null;
  }

  /** Null when the session whose id stands in bytes[start, end) has no writer. */
  #touchAt(bytes: Uint8Array, start: number, end: number): Touched | null {
    const writer = this.#registry.find(bytes, start, end);
    if (writer === null) {
      return null;
    }
    this.#current = this.#touchedOf(writer);
    return this.#current;
  }

  #touchedOf(writer: SessionWriter): Touched {
    writer.flow = this.#flow;
    return this.#touched.of(writer);
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

  /** Counts what `runs` has just taken. */
  #takenTogether(touched: Touched): number {
    const { stored, duplicates, frameBytes } = runs;
    const { writer } = touched;
    const taken = stored + duplicates;
    this.received += taken;
    this.written += stored;
    this.duplicates += duplicates;
    this.#counts.framesReceived += taken;
    this.#counts.framesDuplicate += duplicates;
    this.#counts.bytesReceived += frameBytes;
    if (taken > 0) {
      touched.mark = writer.mark;
    }
    if (stored > 0) {
      touched.lastSeq = writer.lastSeq;
      if (touched.firstSeq === 0) {
        touched.firstSeq = writer.lastSeq - stored + 1;
      }
    }
    return taken;
  }
}

/** Has `bytes` in the run encoder's memory; false when they are too many. */
function isLoaded(bytes: Uint8Array): boolean {
  if (loaded !== bytes) {
    loaded = runs.load(bytes, 0, bytes.length) ? bytes : null;
  }
  return loaded !== null;
}
