import type { FrameProblem } from '../frame/frame-problem.js';
import type { FrameView } from '../frame/frame-view.js';
import type { LineBuffer } from '../frame/line-buffer.js';
import { DUPLICATE, UNDECIDED } from './append-outcome.js';
import { Conflict } from './conflict.js';
import { FrameWindow } from './frame-window.js';
import { SessionLookup } from './session-lookup.js';
import type { WriterContext } from './writer-context.js';

const TIME_KEY = ',"time":"';
const QUOTE = 0x22;

/** How far the session has come, and how to wait for its lines: its writer. */
export interface NumberedLog {
  readonly lastSeq: number;
  readonly mark: number;
  whenDurable(mark: number): Promise<void>;
}

/**
 * What a client-numbered frame is whose number was reached before: a duplicate when it equals what is stored under the number, else a
 * conflict.
 *
 * *Stability*: what stands under a used number never changes, since the order can not go back; an answer that took a while to find
 * still holds.
 * *Equality*: the line that the frame would become equals the stored one; of a frame without a time, all but the time, which was the
 * server's.
 * *Cost*: nothing for a session whose numbers the server gives. A frame that is repeated as it was is known by its hash; what the window
 * does not know is looked up in the files.
 */
export class UsedNumbers {
  readonly #context: WriterContext;
  readonly #sessionId: string;
  readonly #idJson: Uint8Array;
  readonly #log: NumberedLog;
  readonly #lookup: SessionLookup;
  #window: FrameWindow | null = null;
  /** Lines up to here are in the files. */
  #storedSeq: number;
  /** The last line that this process knows to be there. */
  #expectedSeq: number;

  /**
   * @param storedSeq the session's last seq when its writer was made
   * @param expectedSeq the last line of its active file then, 0 without one
   */
  constructor(
    context: WriterContext,
    session: { readonly id: string; readonly idJson: Uint8Array },
    log: NumberedLog,
    { storedSeq, expectedSeq }: { readonly storedSeq: number; readonly expectedSeq: number },
  ) {
    this.#context = context;
    this.#sessionId = session.id;
    this.#idJson = session.idJson;
    this.#log = log;
    this.#lookup = new SessionLookup(session.id, context.lookups);
    this.#storedSeq = storedSeq;
    this.#expectedSeq = expectedSeq;
  }

  /** Remembers a frame under its own number, right after its line was encoded. */
  record(view: FrameView): void {
    this.#window ??= new FrameWindow();
    this.#window.record(view);
  }

  /** What a frame is whose number was reached before, as far as memory tells. */
  judge(view: FrameView): typeof DUPLICATE | typeof UNDECIDED | FrameProblem {
    if (this.#window?.has(view) === true) {
      return DUPLICATE;
    }
    const line = this.#lookup.find(view.seq);
    return line === undefined ? UNDECIDED : this.compare(view, line);
  }

  /**
   * The stored line under a number that was reached before; null when there is none.
   * @throws StorageError when lines that are on their way can not be written, LookupFailed when what is stored can not be read
   */
  async storedLine(seq: number): Promise<Buffer | null> {
    if (seq > this.#storedSeq) {
      const { lastSeq, mark } = this.#log;
      await this.#log.whenDurable(mark);
      this.#storedSeq = Math.max(this.#storedSeq, lastSeq);
      this.#expectedSeq = this.#storedSeq;
    }
    return this.#lookup.read(seq, this.#storedSeq, this.#expectedSeq);
  }

  /** @param line what is stored under the frame's number */
  compare(view: FrameView, line: Buffer | null): typeof DUPLICATE | FrameProblem {
    const { encoder, buffers } = this.#context;
    const own = buffers.take();
    try {
      const problem = encoder.encode(view, this.#idJson, view.seq, 0, own);
      if (problem !== null) {
        return problem;
      }
      return line !== null && sameLine(line, own, view.hasTime)
        ? DUPLICATE
        : new Conflict(this.#sessionId, view.seq, this.#log.lastSeq, line !== null);
    } finally {
      buffers.give(own);
    }
  }
}

function sameLine(stored: Buffer, own: LineBuffer, timed: boolean): boolean {
  if (timed) {
    return stored.compare(own.bytes, 0, own.length) === 0;
  }
  const storedEnd = timeEnd(stored);
  return storedEnd !== -1 && stored.compare(own.bytes, timeEnd(own.bytes), own.length, storedEnd) === 0;
}

/** Behind a line's time: before it stands the seq alone, which is the same. */
function timeEnd(line: Buffer): number {
  const key = line.indexOf(TIME_KEY);
  return key === -1 ? -1 : line.indexOf(QUOTE, key + TIME_KEY.length);
}
