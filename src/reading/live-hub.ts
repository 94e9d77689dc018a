/**
 * What was just written, for those who watch.
 *
 * *Ordering*: the session room tells of every line once, in order, after it was written to the session's file. A chunk knows the
 * last line before it, so that a watcher takes it only when it has everything up to there; else it goes back to the file, where
 * all of it is. Numbers that agents leave out are no gaps here.
 *
 * *Bounded*: a watched session keeps its newest chunks and what doors made of them, up to 1 MiB, all of them together `bytesMax`; the oldest go. A watcher has
 * no queue: it is a place in those chunks. Sessions that nobody watches cost a look into a map for each write.
 */
import { lastLineStart, lineSeq } from '../segment/line.js';
import { copiedChunks } from './line-chunks.js';
import { LiveSession } from './live-session.js';
import type { Completion, LogLines } from './log-events.js';

const BYTES_MAX = 64 << 20;

/** Hears of all sessions. */
export interface HubListener {
  written(lines: LogLines): void;
  /** Lines above `lastSeq` may have been written before it is told. */
  completed(sessionId: string, completion: Completion): void;
}

/** Somebody's view of a session from now on. */
export interface Watch extends Disposable {
  /** What CompleteSession was told since then. */
  readonly completion: Completion | null;
  /** Of the last line that was written since the session is watched; 0 when none was. */
  readonly lastSeq: number;
  /** As LiveSession has it. */
  take(seq: number): LogLines | 'behind' | null;
  /** As LiveSession has it. */
  holds(seq: number): boolean;
  /** Resolves at the next change, or when the watch's signal aborts. One call at a time. */
  changed(): Promise<void>;
}

interface Watched {
  readonly session: LiveSession;
  watchers: number;
}

export class LiveHub {
  readonly #bytesMax: number;
  readonly #sessions = new Map<string, Watched>();
  readonly #listeners = new Set<HubListener>();
  /** With chunks; the one that lost one last is at the end. */
  readonly #holding = new Set<LiveSession>();
  #bytes = 0;
  readonly #resized = (session: LiveSession, bytes: number): void => {
    this.#bytes += bytes;
    if (bytes <= 0) {
      return;
    }
    this.#holding.add(session);
    for (const oldest of this.#holding) {
      if (this.#bytes <= this.#bytesMax) {
        break;
      }
      this.#dropOldestOf(oldest);
    }
  };

  constructor(bytesMax: number = BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get watchedSessions(): number {
    return this.#sessions.size;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** In chunks of all watched sessions, with what doors made of them. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** The whole lines in bytes[from, to) are in the file; `bytes` is the caller's again when this returns. */
  written(sessionId: string, bytes: Buffer, from: number, to: number): void {
    const watched = this.#sessions.get(sessionId);
    if (watched === undefined && this.#listeners.size === 0) {
      return;
    }
    if (watched?.session.isUnseen === true) {
      watched.session.passed(lineSeq(bytes, lastLineStart(bytes, from, to)));
      if (this.#listeners.size === 0) {
        return;
      }
    }
    const chunks = copiedChunks(sessionId, bytes, from, to);
    if (watched?.session.isUnseen === false) {
      watched.session.add(chunks);
      watched.session.wake();
    }
    for (const listener of this.#listeners) {
      for (const lines of chunks) {
        listener.written(lines);
      }
    }
  }

  /** Behind the session's last line. */
  completed(sessionId: string, completion: Completion): void {
    const session = this.#sessions.get(sessionId)?.session;
    if (session !== undefined) {
      session.completion = completion;
      session.wake();
    }
    for (const listener of this.#listeners) {
      listener.completed(sessionId, completion);
    }
  }

  /** Lines that are written from now on. */
  watch(sessionId: string, signal?: AbortSignal): Watch {
    const watched = this.#sessions.get(sessionId) ?? { session: new LiveSession(this.#resized), watchers: 0 };
    this.#sessions.set(sessionId, watched);
    watched.watchers++;
    const { session } = watched;
    const waiting = new Waiting(session, signal);
    let isOpen = true;
    return {
      get completion() {
        return session.completion;
      },
      get lastSeq() {
        return session.lastSeq;
      },
      take: (seq) => session.take(seq),
      holds: (seq) => session.holds(seq),
      changed: () => waiting.changed(),
      [Symbol.dispose]: () => {
        if (isOpen) {
          isOpen = false;
          waiting.end();
          this.#leave(sessionId, watched);
        }
      },
    };
  }

  /** @returns what ends it */
  listen(listener: HubListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #leave(sessionId: string, watched: Watched): void {
    watched.watchers--;
    if (watched.watchers === 0) {
      this.#sessions.delete(sessionId);
      watched.session.dropAll();
      this.#holding.delete(watched.session);
    }
  }

  #dropOldestOf(session: LiveSession): void {
    session.dropOldest();
    this.#holding.delete(session);
    if (session.bytes > 0) {
      this.#holding.add(session);
    }
  }
}

/** One watcher's wait for the next change; hears the signal once for all of them: a listener for each costs 1.4 µs a line. */
class Waiting {
  readonly #session: LiveSession;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = (): void => this.#leave?.();
  #leave: (() => void) | null = null;

  constructor(session: LiveSession, signal: AbortSignal | undefined) {
    this.#session = session;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#abort);
  }

  changed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#signal?.aborted === true) {
        resolve();
        return;
      }
      const leave = this.#session.wait(resolve);
      this.#leave = () => {
        leave();
        resolve();
      };
    });
  }

  end(): void {
    this.#signal?.removeEventListener('abort', this.#abort);
  }
}
