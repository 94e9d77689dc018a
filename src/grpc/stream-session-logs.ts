import { Metadata, type ServerWritableStream, type StatusObject, status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { SEQ_MAX } from '../frame/limits.js';
import { FilterProblem } from '../reading/filter-problem.js';
import { lineCount } from '../reading/line-chunks.js';
import { type LineFilterSpec, lineFilter } from '../reading/line-filter.js';
import type { LogEvent } from '../reading/log-events.js';
import type { LogSource, ReadRequest } from '../reading/log-source.js';
import type { SessionDirectory } from '../reading/session-listings.js';
import type { Clock } from '../segment/clock.js';
import { isSystemError, StorageError } from '../segment/storage-error.js';
import type { LogFilter__Output as LogFilter } from './generated/logging/v1/LogFilter.js';
import type { StreamSessionLogsRequest__Output as StreamSessionLogsRequest } from './generated/logging/v1/StreamSessionLogsRequest.js';
import { frameMessages, responseMessage } from './line-messages.js';
import { LOG_READER } from './log-reader.js';
import { messageReaderOf } from './read-messages.js';
import { invalidRequest, notRead } from './status.js';
import { type CallEvents, isProblem, RequestReader, sessionIdProblem } from './unary-call.js';

/** A filter of a hundred names. */
export const STREAM_REQUEST_BYTES_MAX = 64 * 1024;
/** What is handed to HTTP/2 at once, and not more before that was taken. */
const SLICE_BYTES = 64 * 1024;

const requests = new RequestReader<StreamSessionLogsRequest>(LOG_READER, 'StreamSessionLogs', STREAM_REQUEST_BYTES_MAX);

export interface StreamSessionLogsParts extends CallEvents {
  readonly clock: Clock;
  readonly source: LogSource;
  readonly summarize: SessionDirectory['summarize'];
  /** So many lines were taken by HTTP/2. */
  delivered(lines: number): void;
}

/**
 * One call of StreamSessionLogs.
 *
 * *Ordering*: what LogSource.read gives, in that order; `end` is the last message of a call that ends with OK.
 * *Flow*: one chunk of lines is held, and 64 KiB of it are handed to HTTP/2 at a time: the next only when the peer's windows have
 * let them go. A peer that does not take them holds that much and no more, until its service calls `cutOff`.
 * *Release*: when the peer is gone, or `giveUp` is called, the source is told at once and everything is let go of.
 */
export class StreamSessionLogs {
  /** Resolves when the call has been answered or is gone. */
  readonly ended: Promise<void>;
  readonly #call: ServerWritableStream<Buffer, Buffer>;
  readonly #parts: StreamSessionLogsParts;
  readonly #reading = new AbortController();
  #resolveEnded: () => void = () => undefined;
  /** Of the slice that HTTP/2 has not taken. */
  #taken: () => void = () => undefined;
  #untakenSinceMs: number | null = null;
  #isOver = false;

  constructor(call: ServerWritableStream<Buffer, Buffer>, parts: StreamSessionLogsParts) {
    this.#call = call;
    this.#parts = parts;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    call.on('cancelled', () => this.#finish(status.CANCELLED));
    call.on('error', () => this.#finish(status.CANCELLED));
  }

  /** Whether the connection goes away once its calls are over. */
  get connectionCloses(): boolean {
    return messageReaderOf(this.#call).connectionCloses;
  }

  /** Since when (monotonic milliseconds) HTTP/2 has not taken what it was handed; null while it has taken everything. */
  get untakenSinceMs(): number | null {
    return this.#untakenSinceMs;
  }

  /** An answer would wait behind what the peer does not take: its stream is reset, which frees that, too. */
  cutOff(): void {
    this.#finish(status.UNAVAILABLE);
    messageReaderOf(this.#call).reset();
  }

  giveUp(answer: StatusObject): void {
    this.#close(answer);
  }

  /** Does not reject. */
  async run(): Promise<void> {
    try {
      const request = await requests.read(this.#call);
      const read = isProblem(request) ? request : readRequestOf(request);
      if (isProblem(read)) {
        this.#close(invalidRequest(read));
        return;
      }
      // That it was accepted: whoever waits for the next line would not know for hours.
      this.#call.sendMetadata(new Metadata());
      const { sessionId, ...range } = read;
      const { signal } = this.#reading;
      for await (const event of this.#parts.source.read(sessionId, { ...range, signal })) {
        await this.#send(sessionId, event);
        if (this.#isOver) {
          return;
        }
      }
      this.#close(null);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #send(sessionId: string, event: LogEvent): Promise<void> {
    if (event.kind === 'lines') {
      await this.#write(event.lines.as(frameMessages));
      if (!this.#isOver) {
        this.#parts.delivered(event.lines.as(lineCount));
      }
    } else if (event.kind === 'gap') {
      await this.#write(responseMessage({ gap: { first_seq: event.firstSeq, last_seq: event.lastSeq } }));
    } else {
      const { lastSeq, completion } = event;
      const ended =
        completion === null
          ? { status: (await this.#parts.summarize(sessionId))?.state ?? 'idle' }
          : { status: completion.status, ...(completion.exitCode !== null && { exit_code: completion.exitCode }) };
      await this.#write(responseMessage({ end: { ...ended, last_seq: lastSeq } }));
    }
  }

  async #write(messages: Buffer): Promise<void> {
    for (let at = 0; at < messages.length && !this.#isOver; at += SLICE_BYTES) {
      this.#untakenSinceMs = this.#parts.clock.monotonicMs();
      await new Promise<void>((resolve) => {
        this.#taken = resolve;
        this.#call.write(messages.subarray(at, at + SLICE_BYTES), () => resolve());
      });
      this.#untakenSinceMs = null;
    }
  }

  #fail(error: unknown): void {
    if (!this.#isOver) {
      const cause = isSystemError(error) ? StorageError.from(error) : error;
      this.#parts.failed(cause);
      this.#close(notRead(cause));
    }
  }

  #close(failure: StatusObject | null): void {
    if (this.#isOver) {
      return;
    }
    this.#finish(failure?.code ?? status.OK);
    if (failure === null) {
      this.#call.end();
    } else {
      this.#call.emit('error', failure);
    }
  }

  #finish(code: status): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#reading.abort();
      this.#taken();
      messageReaderOf(this.#call).close();
      this.#parts.handled(code);
      this.#resolveEnded();
    }
  }
}

function readRequestOf(request: StreamSessionLogsRequest): (ReadRequest & { sessionId: string }) | FrameProblem {
  const { session_id: sessionId, after_seq: afterSeq, tail, follow } = request;
  const problem = sessionIdProblem(sessionId);
  if (problem !== null) {
    return problem;
  }
  if (afterSeq < 0 || afterSeq > SEQ_MAX) {
    return { field: 'after_seq', reason: 'is outside 0 to 2^53-1' };
  }
  if (tail > 0 && afterSeq > 0) {
    return { field: 'tail', reason: 'and after_seq are both set: only one of them can say where to begin' };
  }
  try {
    const filter = request.filter === null ? null : lineFilter(specOf(request.filter));
    return { sessionId, afterSeq, follow, filter, ...(tail > 0 && { tail }) };
  } catch (error) {
    if (error instanceof FilterProblem) {
      return { field: `filter.${FIELDS[error.field]}`, reason: error.reason };
    }
    throw error;
  }
}

/** The names that LogFilter has for them. */
const FIELDS: Readonly<Record<FilterProblem['field'], keyof LogFilter>> = {
  levels: 'levels',
  roles: 'roles',
  userIds: 'user_ids',
  keywords: 'keywords',
  startTime: 'start_time',
  endTime: 'end_time',
  pattern: 'pattern',
};

function specOf({ user_ids: userIds, start_time: startTime, end_time: endTime, ...others }: LogFilter): LineFilterSpec {
  return { ...others, userIds, startTime, endTime };
}
