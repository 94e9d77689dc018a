/** One viewer of one session: it checks that each line comes once and in order, and goes on where it was when its stream ends. */
import type { RecordableHistogram } from 'node:perf_hooks';
import { openGrpcStream } from './viewer-grpc.js';
import type { Door } from './viewer-protocol.js';
import { openSseStream } from './viewer-sse.js';

const RETRY_MS = 20;
const RETRIES_MAX = 3000;
/** Content of a line that says when it was sent: `@` and milliseconds of this process. */
const STAMP = '@';

export function stamped(text: string): string {
  return `${STAMP}${performance.now().toFixed(3)} ${text}`;
}

/** A stream of lines that was opened. */
export interface ViewedStream {
  pause(): void;
  resume(): void;
  destroy(): void;
}

export interface StreamEvents {
  /** @param content its beginning at least */
  line(seq: number, content: string): void;
  /** There is no such session yet, or the stream has ended. */
  ended(): void;
}

export interface ViewerOptions {
  readonly door: Door;
  readonly port: number;
  readonly sessionId: string;
  readonly afterSeq: number;
  readonly latencies: RecordableHistogram;
}

export class Viewer {
  lines = 0;
  reconnects = 0;
  #lastSeq: number;
  #stalls: boolean;
  #stream: ViewedStream | null = null;
  #retries = 0;
  #closed = false;
  #until: { readonly lastSeq: number; resolve(): void; reject(error: Error): void } | null = null;
  #error: Error | null = null;
  readonly #options: ViewerOptions;

  constructor(options: ViewerOptions, stalls: boolean) {
    this.#options = options;
    this.#stalls = stalls;
    this.#lastSeq = options.afterSeq;
    this.#open();
  }

  get sessionId(): string {
    return this.#options.sessionId;
  }

  wake(): void {
    this.#stalls = false;
    this.#stream?.resume();
  }

  get stalls(): boolean {
    return this.#stalls;
  }

  /** Resolves when it has had the line of that number. @throws when a line is missing, comes twice or out of order */
  reached(lastSeq: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#until = { lastSeq, resolve, reject };
      this.#settle();
    });
  }

  close(): void {
    this.#closed = true;
    this.#stream?.destroy();
  }

  #open(): void {
    const { door, port, sessionId } = this.#options;
    const open = door === 'sse' ? openSseStream : openGrpcStream;
    this.#stream = open(port, sessionId, this.#lastSeq, {
      line: (seq, content) => this.#line(seq, content),
      ended: () => this.#ended(),
    });
    if (this.#stalls) {
      this.#stream.pause();
    }
  }

  #line(seq: number, content: string): void {
    if (seq !== this.#lastSeq + 1) {
      this.#error ??= new Error(`${this.#options.sessionId}: line ${seq} came behind line ${this.#lastSeq}`);
    }
    this.#lastSeq = seq;
    this.lines++;
    if (content.startsWith(STAMP)) {
      const microseconds = Math.round(1000 * (performance.now() - Number.parseFloat(content.slice(STAMP.length))));
      this.#options.latencies.record(Math.max(1, microseconds));
    }
    if (this.#until !== null) {
      this.#settle();
    }
  }

  #ended(): void {
    if (this.#closed) {
      return;
    }
    this.reconnects += this.lines > 0 ? 1 : 0;
    if (++this.#retries > RETRIES_MAX) {
      this.#error ??= new Error(`${this.#options.sessionId}: the stream ended ${RETRIES_MAX} times`);
      this.#settle();
      return;
    }
    setTimeout(() => this.#open(), RETRY_MS);
  }

  #settle(): void {
    if (this.#until === null) {
      return;
    }
    if (this.#error !== null) {
      this.#until.reject(this.#error);
    } else if (this.#lastSeq >= this.#until.lastSeq) {
      this.#until.resolve();
    }
  }
}
