import { type Cursor, cursorAt, goneUpTo, type StoredEvent } from './cursor.js';
import type { HubListener, LiveHub } from './live-hub.js';
import { type Completion, LogLines } from './log-events.js';
import type { FirehoseEvent } from './log-source.js';
import { ReadingError } from './reading-error.js';

const QUEUE_BYTES_MAX = 1 << 20;

/** For an end in the queue, its status included. */
const END_BYTES = 512;

/** What was written of a session and is not held any more, and how it ended behind that. */
interface Missed {
  afterSeq: number;
  throughSeq: number;
  completion: Completion | null;
}

interface SessionEnd {
  readonly sessionId: string;
  readonly completion: Completion;
}

/**
 * What was written to any session and was not taken yet, and which sessions ended, for one consumer.
 *
 * *Ordering*: what there is of a session is either all in the queue or all missed, so that it comes in order, its end behind its
 * lines. *Bounded*: past `bytesMax` the queue is given up, and what is kept of each session is two numbers and its end: the files
 * have its lines. An end behind which lines were written meanwhile is none any more.
 */
export class FirehoseBacklog implements HubListener {
  readonly missed = new Map<string, Missed>();
  readonly #bytesMax: number;
  #queue: (LogLines | SessionEnd)[] = [];
  #bytes = 0;
  #wake: (() => void) | null = null;

  constructor(bytesMax: number = QUEUE_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  written(lines: LogLines): void {
    const missed = this.missed.get(lines.sessionId);
    if (missed === undefined) {
      this.#add(lines);
    } else {
      missed.throughSeq = lines.lastSeq;
      missed.completion = null;
    }
  }

  completed(sessionId: string, completion: Completion): void {
    const missed = this.missed.get(sessionId);
    if (missed === undefined) {
      this.#add({ sessionId, completion });
    } else {
      missed.completion = completion;
    }
  }

  /** What came first of the queue; null when it is empty. */
  next(): LogLines | SessionEnd | null {
    const first = this.#queue.shift() ?? null;
    this.#bytes -= first === null ? 0 : bytesOf(first);
    return first;
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

  #add(one: LogLines | SessionEnd): void {
    this.#queue.push(one);
    this.#bytes += bytesOf(one);
    if (this.#bytes > this.#bytesMax) {
      this.#giveUpQueue();
    }
    this.wake();
  }

  #giveUpQueue(): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#bytes = 0;
    for (const one of queue) {
      if (!this.missed.has(one.sessionId)) {
        const afterSeq = one instanceof LogLines ? one.firstSeq - 1 : one.completion.lastSeq;
        this.missed.set(one.sessionId, { afterSeq, throughSeq: afterSeq, completion: null });
      }
      if (one instanceof LogLines) {
        this.written(one);
      } else {
        this.completed(one.sessionId, one.completion);
      }
    }
  }
}

function bytesOf(one: LogLines | SessionEnd): number {
  return one instanceof LogLines ? one.bytes.length : END_BYTES;
}

/** What the files have of a session behind a cursor; lines were written up to `written`. */
export interface ReadUpTo {
  (sessionId: string, written: number, cursor: Cursor): AsyncGenerator<StoredEvent, void>;
}

/** Where a consumer gets what is not in its backlog. */
export interface FirehoseFiles {
  readonly readUpTo: ReadUpTo;
  /** No line is stored above the completion's last one: those have opened the session again. */
  isOver(sessionId: string, completion: Completion): Promise<boolean>;
}

/** What is written to any session from now on, and how sessions end. Ends with `signal` alone. @throws ReadingAborted */
export async function* watchAll(
  hub: LiveHub,
  files: FirehoseFiles,
  signal: AbortSignal | undefined,
): AsyncGenerator<FirehoseEvent, void> {
  const backlog = new FirehoseBacklog();
  const leave = hub.listen(backlog);
  const wake = (): void => backlog.wake();
  signal?.addEventListener('abort', wake);
  try {
    while (signal?.aborted !== true) {
      const next = backlog.next();
      const [missed] = backlog.missed;
      if (next instanceof LogLines) {
        yield { kind: 'lines', lines: next, sessionId: next.sessionId };
      } else if (next !== null) {
        yield* endOf(files, next);
      } else if (missed !== undefined) {
        yield* catchUp(files, backlog, missed[0], missed[1]);
      } else {
        await backlog.changed();
      }
    }
  } finally {
    leave();
    signal?.removeEventListener('abort', wake);
  }
}

async function* endOf(
  files: FirehoseFiles,
  { sessionId, completion }: SessionEnd,
): AsyncGenerator<FirehoseEvent, void> {
  const isOver = await files.isOver(sessionId, completion).catch((error: unknown) => {
    // Nothing that can be read opens it again.
    if (error instanceof ReadingError) {
      return true;
    }
    throw error;
  });
  if (isOver) {
    yield { kind: 'end', sessionId, lastSeq: completion.lastSeq, completion };
  }
}

async function* catchUp(
  files: FirehoseFiles,
  backlog: FirehoseBacklog,
  sessionId: string,
  missed: Missed,
): AsyncGenerator<FirehoseEvent, void> {
  const { afterSeq, throughSeq } = missed;
  if (afterSeq < throughSeq) {
    yield* missedLines(files.readUpTo, sessionId, afterSeq, throughSeq);
  }
  backlog.missed.delete(sessionId);
  if (missed.throughSeq !== throughSeq) {
    missed.afterSeq = throughSeq;
    // Behind the others: it may be written faster than this consumer takes it.
    backlog.missed.set(sessionId, missed);
    return;
  }
  // What comes from here on is in the queue, behind the end.
  if (missed.completion !== null) {
    yield* endOf(files, { sessionId, completion: missed.completion });
  }
}

async function* missedLines(
  readUpTo: ReadUpTo,
  sessionId: string,
  afterSeq: number,
  throughSeq: number,
): AsyncGenerator<FirehoseEvent, void> {
  const cursor = cursorAt(afterSeq, throughSeq);
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
}
