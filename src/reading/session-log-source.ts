/**
 * The one reader: a session's stored lines, then those that are being written.
 *
 * *Ordering*: the watch begins before the files are read for the last time, so every line is in the one or the other; a line that is
 * in both is passed over by its seq. Live lines are taken only behind the line they follow; whoever is too slow for what the hub
 * holds goes back to the files from its cursor, as often as need be.
 *
 * *Pull*: nothing is read ahead of whoever asks. All that a reader holds between two events is its cursor, its place in the hub
 * and the chunk that it gave out.
 */
import { type Cursor, cursorAt, goneUpTo, type StoredEvent } from './cursor.js';
import { type FirehoseFiles, watchAll } from './firehose.js';
import type { LiveHub, Watch } from './live-hub.js';
import type { Completion, LogEvent } from './log-events.js';
import type { FirehoseEvent, LineFilter, LogSource, ReadRequest } from './log-source.js';
import { ReadingAborted, unlessAborted } from './read-places.js';
import type { SessionReader } from './session-reader.js';

export interface SessionLogSourceOptions {
  readonly reader: SessionReader;
  readonly hub: LiveHub;
  /** What CompleteSession was told last; null when it never was. Asked after the watch has begun. */
  readonly completionOf: (sessionId: string) => Promise<Completion | null>;
  /**
   * Resolves when every line that was written so far is in the session's files to stay: a failed sync takes lines out of them for a
   * moment, to be written again.
   */
  readonly settled: (sessionId: string) => Promise<void>;
}

export class SessionLogSource implements LogSource {
  readonly #reader: SessionReader;
  readonly #hub: LiveHub;
  readonly #completionOf: SessionLogSourceOptions['completionOf'];
  readonly #settled: SessionLogSourceOptions['settled'];

  constructor({ reader, hub, completionOf, settled }: SessionLogSourceOptions) {
    this.#reader = reader;
    this.#hub = hub;
    this.#completionOf = completionOf;
    this.#settled = settled;
  }

  read(sessionId: string, request: ReadRequest): AsyncGenerator<LogEvent, void> {
    const events = request.follow === true ? this.#follow(sessionId, request) : this.#history(sessionId, request);
    return untilAborted(filtered(events, request), request.signal);
  }

  async tailStart(sessionId: string, count: number, signal?: AbortSignal): Promise<number> {
    return (await this.#reader.tailRange(sessionId, count, signal)).afterSeq;
  }

  watchAll(request: Pick<ReadRequest, 'filter' | 'signal'>): AsyncGenerator<FirehoseEvent, void> {
    const { signal } = request;
    const files: FirehoseFiles = {
      readUpTo: (sessionId, written, cursor) => this.#readUpTo(sessionId, written, cursor, signal),
      isOver: (sessionId, completion) => this.#isOver(sessionId, completion, 0, signal),
    };
    return untilAborted(filtered(watchAll(this.#hub, files, signal), request), signal);
  }

  async *#history(sessionId: string, { afterSeq = 0, tail, signal }: ReadRequest): AsyncGenerator<LogEvent, void> {
    // In this order: what it names was stored before, so it is seen, or gone.
    const completion = await this.#completionOf(sessionId);
    // What is written from here on is not waited for.
    const stored = await this.#reader.tailRange(sessionId, tail ?? 0, signal);
    const cursor = cursorAt(tail === undefined ? afterSeq : stored.afterSeq, stored.throughSeq);
    let lastSeq = stored.throughSeq;
    for await (const event of this.#readUpTo(sessionId, stored.throughSeq, cursor, signal)) {
      lastSeq = event.kind === 'gap' ? Math.max(lastSeq, event.lastSeq) : lastSeq;
      yield event;
    }
    if (completion === null || stored.throughSeq > completion.lastSeq) {
      yield { kind: 'end', lastSeq, completion: null };
      return;
    }
    yield* goneUpTo(completion.lastSeq, cursor);
    yield { kind: 'end', lastSeq: completion.lastSeq, completion };
  }

  async *#follow(sessionId: string, request: ReadRequest): AsyncGenerator<LogEvent, void> {
    const { afterSeq = 0, tail, signal } = request;
    using watch = this.#hub.watch(sessionId, signal);
    const cursor = cursorAt(tail === undefined ? afterSeq : await this.tailStart(sessionId, tail, signal));
    yield* this.#catchUp(sessionId, cursor, watch, signal);
    const stored = await this.#completionOf(sessionId);
    let judged: Completion | null = null;
    while (signal?.aborted !== true) {
      const lines = watch.take(cursor.seq);
      const completion = watch.completion ?? stored;
      if (lines === 'behind') {
        yield* this.#catchUp(sessionId, cursor, watch, signal);
      } else if (lines !== null) {
        cursor.seq = lines.lastSeq;
        yield { kind: 'lines', lines };
      } else if (completion !== judged) {
        judged = completion;
        if (completion !== null && (await this.#isOver(sessionId, completion, watch.lastSeq, signal))) {
          // No further: lines that come now open it again, behind this end.
          yield* this.#readUpTo(sessionId, completion.lastSeq, cursor.until(completion.lastSeq), signal);
          yield { kind: 'end', lastSeq: completion.lastSeq, completion };
          return;
        }
      } else {
        await watch.changed();
      }
    }
  }

  /** What the files have, up to where the hub has the rest. */
  async *#catchUp(
    sessionId: string,
    cursor: Cursor,
    watch: Watch,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredEvent, void> {
    for await (const event of this.#readUpTo(sessionId, watch.lastSeq, cursor, signal)) {
      yield event;
      // To the end of a file that grows would be a chunk that nobody shares.
      if (watch.holds(cursor.seq)) {
        return;
      }
    }
  }

  /** What the files have. @param written lines were written up to there: those that are in no file are gone */
  async *#readUpTo(
    sessionId: string,
    written: number,
    cursor: Cursor,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredEvent, void> {
    yield* this.#reader.read(sessionId, cursor, signal);
    if (cursor.seq < written) {
      await unlessAborted(this.#settled(sessionId), signal);
      yield* this.#reader.read(sessionId, cursor, signal);
      yield* goneUpTo(written, cursor);
    }
  }

  /** Lines above the completion's last one have opened the session again. @param written lines were written up to there */
  async #isOver(
    sessionId: string,
    completion: Completion,
    written: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { throughSeq } = await this.#reader.tailRange(sessionId, 0, signal);
    return Math.max(throughSeq, written) <= completion.lastSeq;
  }
}

/** Each generator between the lines and a viewer costs a microsecond an event: there is none without a filter. */
function filtered<Event extends LogEvent>(
  events: AsyncGenerator<Event, void>,
  { filter = null, signal }: Pick<ReadRequest, 'filter' | 'signal'>,
): AsyncGenerator<Event, void> {
  return filter === null ? events : selected(events, filter, signal);
}

async function* selected<Event extends LogEvent>(
  events: AsyncGenerator<Event, void>,
  filter: LineFilter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Event, void> {
  for await (const event of events) {
    if (event.kind !== 'lines') {
      yield event;
      continue;
    }
    const lines = await filter.select(event.lines, signal);
    if (lines !== null) {
      yield { ...event, lines };
    }
  }
}

async function* untilAborted<Event>(
  events: AsyncGenerator<Event, void>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Event, void> {
  try {
    for await (const event of events) {
      if (signal?.aborted === true) {
        return;
      }
      yield event;
    }
  } catch (error) {
    if (!(error instanceof ReadingAborted)) {
      throw error;
    }
  }
}
