import { setTimeout as sleep } from 'node:timers/promises';
import { CONNECT_TIMEOUT_MS } from './log-connection.js';
import type { LogReader } from './log-reader.js';
import { ReadError } from './read-error.js';
import type { TailEvent, TailRequest } from './tail-event.js';

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;

export interface LogTailOptions extends TailRequest {
  /** How long to go on trying after the connection broke; default: for ever. */
  readonly patienceMs?: number;
  /** The first connection, which is not waited for any longer than this. */
  readonly connectTimeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Heard once each time that the connection breaks, or the server says that it can't go on. */
  readonly interrupted?: (error: ReadError) => void;
  /** Lines may come again. */
  readonly resumed?: () => void;
}

/**
 * A session's lines, over as many calls as it takes.
 *
 * *Ordering*: every line behind the place it began at, once, in order, whatever the connection and the server do meanwhile: each call
 * goes on behind the last seq that was given out. *End*: the last event is `end`; with `signal` there is none.
 *
 * A call with `tail` that broke before a line passed its filter begins so many lines further back as have been written since: it can't
 * miss one that was written while the server was away.
 */
export class LogTail {
  readonly #reader: LogReader;
  readonly #options: LogTailOptions;
  #place: Pick<TailRequest, 'afterSeq' | 'tail'>;
  /** The session's last seq when the tail was asked for; null: not asked. */
  #tailFromSeq: number | null = null;
  #isInterrupted = false;

  constructor(reader: LogReader, options: LogTailOptions) {
    this.#reader = reader;
    this.#options = options;
    const { afterSeq = 0, tail } = options;
    this.#place = tail === undefined ? { afterSeq } : { tail };
  }

  /** @throws ReadError what can't be helped by trying again, or was tried for `patienceMs` */
  async *events(): AsyncGenerator<TailEvent, void> {
    const { signal, patienceMs = Number.POSITIVE_INFINITY, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    try {
      await this.#reader.ready(connectTimeoutMs, signal);
    } catch (error) {
      if (isAborted(signal)) {
        return;
      }
      throw error;
    }
    let backoffMs = BACKOFF_FIRST_MS;
    let lostAtMs: number | null = null;
    while (!isAborted(signal)) {
      try {
        await this.#locate();
        for await (const event of this.#call()) {
          lostAtMs = null;
          backoffMs = BACKOFF_FIRST_MS;
          yield event;
          if (event.kind === 'end') {
            return;
          }
        }
        throw new ReadError('CONNECTION_LOST', `logweir at ${this.#reader.server} ended the call without saying why`);
      } catch (error) {
        lostAtMs ??= performance.now();
        if (isAborted(signal)) {
          return;
        }
        if (!(error instanceof ReadError && error.canRetry) || performance.now() - lostAtMs >= patienceMs) {
          throw error;
        }
        this.#interrupt(error);
      }
      // Half of it at random: viewers of a server that comes back do not come all at once.
      await sleep(backoffMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
    }
  }

  async *#call(): AsyncGenerator<TailEvent, void> {
    const { sessionId, follow = false, filter, signal } = this.#options;
    const request = { sessionId, ...this.#place, follow, ...(filter && { filter }) };
    const stream = this.#reader.stream(request, () => this.#resume());
    const cancel = (): void => stream.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const event of stream.events()) {
        if (event.kind !== 'end') {
          this.#place = { afterSeq: event.lastSeq };
        }
        yield event;
      }
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Says where `tail` begins: in a place that stays where it is while lines are added. */
  async #locate(): Promise<void> {
    const { tail } = this.#options;
    if (tail === undefined || this.#place.tail === undefined) {
      return;
    }
    const { lastSeq } = await this.#reader.session(this.#options.sessionId, this.#options.signal);
    this.#tailFromSeq ??= lastSeq;
    this.#place = tail === 0 ? { afterSeq: this.#tailFromSeq } : { tail: tail + lastSeq - this.#tailFromSeq };
  }

  #interrupt(error: ReadError): void {
    if (!this.#isInterrupted) {
      this.#isInterrupted = true;
      this.#options.interrupted?.(error);
    }
  }

  #resume(): void {
    if (this.#isInterrupted) {
      this.#isInterrupted = false;
      this.#options.resumed?.();
    }
  }
}

/** A function, because the compiler takes what it was for what it is. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
