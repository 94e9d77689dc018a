import type { Completion } from '../segment/completion-record.js';

export type { Completion };

/** What a reader of a session is given, in order, whatever it came from: files or the writer itself. */
export type LogEvent =
  | { readonly kind: 'lines'; readonly lines: LogLines }
  /** What was stored under these numbers is gone: removed, or in quarantine. Both included. */
  | { readonly kind: 'gap'; readonly firstSeq: number; readonly lastSeq: number }
  /** The last event. Without `follow` also of a session that goes on: `completion` is null then. */
  | { readonly kind: 'end'; readonly lastSeq: number; readonly completion: Completion | null };

export interface LinesHolder {
  /** Something was made of lines that it holds, which is kept beside them. */
  grew(bytes: number): void;
}

/**
 * Consecutive lines of one session as they are stored, shared by everybody who reads them. Nothing of it ever changes; what is made
 * of it is kept for as long as itself.
 */
export class LogLines {
  readonly sessionId: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** NDJSON: whole lines, at least one. */
  readonly bytes: Buffer;
  /** Who holds them for others, and counts what they take. */
  holder: LinesHolder | null = null;
  #encoded: Map<(lines: LogLines) => unknown, unknown> | null = null;
  #encodedBytes = 0;

  constructor(sessionId: string, firstSeq: number, lastSeq: number, bytes: Buffer) {
    this.sessionId = sessionId;
    this.firstSeq = firstSeq;
    this.lastSeq = lastSeq;
    this.bytes = bytes;
  }

  /** Of the lines and of all that was made of them. */
  get heldBytes(): number {
    return this.bytes.length + this.#encodedBytes;
  }

  /** What `encode` makes of these lines: made once, however many readers ask. @param encode the same function each time */
  as<T>(encode: (lines: LogLines) => T): T {
    this.#encoded ??= new Map();
    if (!this.#encoded.has(encode)) {
      const encoded = encode(this);
      this.#encoded.set(encode, encoded);
      if (Buffer.isBuffer(encoded)) {
        this.#encodedBytes += encoded.length;
        this.holder?.grew(encoded.length);
      }
    }
    return this.#encoded.get(encode) as T;
  }
}
