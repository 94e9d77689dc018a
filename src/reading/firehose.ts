import { type Cursor, cursorAt, goneUpTo, type StoredEvent } from './cursor.js';
import type { LinesListener, LiveHub } from './live-hub.js';
import type { LogLines } from './log-events.js';
import type { FirehoseEvent } from './log-source.js';
import { ReadingError } from './reading-error.js';

const QUEUE_BYTES_MAX = 1 << 20;

/** Lines of a session that were written and are not held any more. */
interface Missed {
  afterSeq: number;
  throughSeq: number;
}

/**
 * What was written to any session and was not taken yet, by one consumer.
 *
 * *Ordering*: a session's lines are either all in the queue or all missed, so that they come in order. *Bounded*: past
 * `bytesMax` the queue is given up, and what is kept of each session is two numbers: the files have its lines.
 */
export class FirehoseBacklog implements LinesListener {
  readonly missed = new Map<string, Missed>();
  readonly #bytesMax: number;
  #queue: LogLines[] = [];
  #bytes = 0;
  #wake: (() => void) | null = null;

  constructor(bytesMax: number = QUEUE_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  written(lines: LogLines): void {
    const missed = this.missed.get(lines.sessionId);
    if (missed !== undefined) {
      missed.throughSeq = lines.lastSeq;
      return;
    }
    this.#queue.push(lines);
    this.#bytes += lines.bytes.length;
    if (this.#bytes > this.#bytesMax) {
      this.#giveUpQueue();
    }
    this.wake();
  }

  /** The oldest lines of the queue; null when it is empty. */
  next(): LogLines | null {
    const lines = this.#queue.shift() ?? null;
    this.#bytes -= lines?.bytes.length ?? 0;
    return lines;
  }

  wake(): void {
    this.#wake?.();
    this.#wake = null;
  }

  /** Resolves when there is something. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #giveUpQueue(): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#bytes = 0;
    for (const { sessionId, firstSeq, lastSeq } of queue) {
      const missed = this.missed.get(sessionId);
      if (missed === undefined) {
        this.missed.set(sessionId, { afterSeq: firstSeq - 1, throughSeq: lastSeq });
      } else {
        missed.throughSeq = lastSeq;
      }
    }
  }
}

/** What the files have of a session behind a cursor; lines were written up to `written`. */
export interface ReadUpTo {
  (sessionId: string, written: number, cursor: Cursor): AsyncGenerator<StoredEvent, void>;
}

/** What is written to any session from now on. Ends with `signal` alone. @throws ReadingAborted */
export async function* watchAll(
  hub: LiveHub,
  readUpTo: ReadUpTo,
  signal: AbortSignal | undefined,
): AsyncGenerator<FirehoseEvent, void> {
  const backlog = new FirehoseBacklog();
  const leave = hub.listen(backlog);
  const wake = (): void => backlog.wake();
  signal?.addEventListener('abort', wake);
  try {
    while (signal?.aborted !== true) {
      const lines = backlog.next();
      const [missed] = backlog.missed;
      if (lines !== null) {
        yield { kind: 'lines', lines, sessionId: lines.sessionId };
      } else if (missed !== undefined) {
        yield* catchUp(readUpTo, backlog, missed[0], missed[1]);
      } else {
        await backlog.changed();
      }
    }
  } finally {
    leave();
    signal?.removeEventListener('abort', wake);
  }
}

async function* catchUp(
  readUpTo: ReadUpTo,
  backlog: FirehoseBacklog,
  sessionId: string,
  missed: Missed,
): AsyncGenerator<FirehoseEvent, void> {
  const { throughSeq } = missed;
  const cursor = cursorAt(missed.afterSeq, throughSeq);
  cursor.isKnown = true;
  try {
    for await (const event of readUpTo(sessionId, throughSeq, cursor)) {
      yield { ...event, sessionId };
    }
  } catch (error) {
    // To whoever watches all sessions, one that cannot be read is a gap in that one.
    if (!(error instanceof ReadingError)) {
      throw error;
    }
    for (const event of goneUpTo(throughSeq, cursor)) {
      yield { ...event, sessionId };
    }
  }
  backlog.missed.delete(sessionId);
  if (missed.throughSeq !== throughSeq) {
    missed.afterSeq = throughSeq;
    // Behind the others: it may be written faster than this consumer takes it.
    backlog.missed.set(sessionId, missed);
  }
}
