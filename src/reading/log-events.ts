import type { Completion } from '../segment/completion-record.js';

export type { Completion };

/** What a reader of a session is given, in order, whatever it came from: files or the writer itself. */
export type LogEvent =
  | { readonly kind: 'lines'; readonly lines: LogLines }
  /** What was stored under these numbers is gone: removed, or in quarantine. Both included. */
  | { readonly kind: 'gap'; readonly firstSeq: number; readonly lastSeq: number }
  /** The last event. Without `follow` also of a session that goes on: `completion` is null then. */
  | { readonly kind: 'end'; readonly lastSeq: number; readonly completion: Completion | null };

/**
 * Consecutive lines of one session as they are stored, shared by everybody who reads them. Nothing of it ever changes.
 */
export class LogLines {
  readonly sessionId: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** NDJSON: whole lines, at least one. */
  readonly bytes: Buffer;
  #encoded: Map<(lines: LogLines) => unknown, unknown> | null = null;

  constructor(sessionId: string, firstSeq: number, lastSeq: number, bytes: Buffer) {
    this.sessionId = sessionId;
    this.firstSeq = firstSeq;
    this.lastSeq = lastSeq;
    this.bytes = bytes;
  }

  /** What `encode` makes of these lines: made once, however many readers ask. @param encode the same function each time */
  as<T>(encode: (lines: LogLines) => T): T {
    this.#encoded ??= new Map();
    if (!this.#encoded.has(encode)) {
      this.#encoded.set(encode, encode(this));
    }
    return this.#encoded.get(encode) as T;
  }
}
