import type { LogEvent, LogLines } from './log-events.js';

/** Which lines a reader wants; null lets all pass. */
export interface LineFilter {
  /**
   * The lines of a chunk that pass, as one chunk; null when none does.
   * @throws ReadingError FILTER_TOO_SLOW; ReadingAborted soon after `signal` aborts
   */
  select(lines: LogLines, signal?: AbortSignal): LogLines | null | Promise<LogLines | null>;
}

export interface ReadRequest {
  /** Only lines above it; 0 when absent. May lie beyond the end: with `follow` the reader waits there, else it ends at once. */
  readonly afterSeq?: number;
  /** Begin with the last so many lines that are stored now (before the filter); takes precedence over `afterSeq`. */
  readonly tail?: number;
  /** Go on with what is written from now on, until the session is completed. */
  readonly follow?: boolean;
  readonly filter?: LineFilter | null;
  /** Ends the reading without an `end`. */
  readonly signal?: AbortSignal;
}

/** Where every door reads sessions: one reader for history and live. */
export interface LogSource {
  /**
   * The lines of a session from a place on, each once and in order, however slow whoever asks is: nothing is read ahead of it but
   * one chunk. The last event is `end`.
   * @throws ReadingError UNKNOWN_SESSION, DAMAGED_SEGMENT, UNSETTLED, FILTER_TOO_SLOW
   */
  read(sessionId: string, request: ReadRequest): AsyncGenerator<LogEvent, void>;

  /**
   * The seq behind which the last `count` lines come that are stored now: where `read` with that `tail` begins.
   * @throws as `read`; ReadingAborted soon after `signal` aborts
   */
  tailStart(sessionId: string, count: number, signal?: AbortSignal): Promise<number>;

  /**
   * What is written to any session from now on, and `end` behind the lines of one that is completed; in order within a session.
   * Whoever falls behind gets what it missed from the files. Ends with `signal` alone.
   */
  watchAll(request: Pick<ReadRequest, 'filter' | 'signal'>): AsyncGenerator<FirehoseEvent, void>;
}

export type FirehoseEvent = LogEvent & { readonly sessionId: string };
