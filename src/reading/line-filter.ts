/**
 * Which lines a viewer wants to see. All that is set must pass; within a list any.
 *
 * A filter never holds up the process: all filters together take a few milliseconds of each turn of the event loop; what looks into
 * the content is linear and watched (line-pattern.ts): it is cut off after about 50 ms (selection.ts), and all that may have to be cut rest a
 * while then (filter-turns.ts). A line that is cut off `TRIES_MAX` times, or a chunk that takes `CHUNK_MS_MAX` in all, ends the
 * reading with FILTER_TOO_SLOW.
 */
import { NANOS_MAX, TIME_SECONDS_MAX, TIME_SECONDS_MIN } from '../frame/limits.js';
import { encodeSessionIdJson } from '../frame/session-id.js';
import { FilterProblem } from './filter-problem.js';
import { type FilterTurns, filterTurns } from './filter-turns.js';
import { LinePattern, runWithin } from './line-pattern.js';
import type { LogLines } from './log-events.js';
import type { LineFilter } from './log-source.js';
import type { ParsedLine } from './parsed-lines.js';
import { ReadingAborted } from './read-places.js';
import { ReadingError } from './reading-error.js';
import { Selection } from './selection.js';

/** As google.protobuf.Timestamp. */
export interface Instant {
  readonly seconds: number;
  readonly nanos: number;
}

/** Absent, null, empty lists and the empty pattern let all lines pass. */
export interface LineFilterSpec {
  /** Of `metadata.level`, case-insensitively. */
  readonly levels?: readonly string[];
  readonly roles?: readonly string[];
  readonly userIds?: readonly string[];
  /** In the content, case-insensitively. */
  readonly keywords?: readonly string[];
  /** Not before it. */
  readonly startTime?: Instant | null;
  /** Before it. */
  readonly endTime?: Instant | null;
  /** RE2 syntax; matches somewhere in the content. */
  readonly pattern?: string;
}

const VALUES_MAX = 100;
const VALUE_LENGTH_MAX = 1_024;
/** V8 finds text this long in linear time; of longer text it prepares the end alone: 2 s for 1 KiB in a line of 1 MiB (measured). */
const SOUGHT_LENGTH_MAX = 250;
/** Of one field: beyond it, parsing the lines is the cheaper way. */
const NEEDLES_MAX = 10;
/** The longest a chunk may take in all. */
const CHUNK_MS_MAX = 10_000;
/** The process's other threads can use up a line's time, but not again and again. */
const TRIES_MAX = 3;
/** After so long a chunk lets others have their turn. */
const SHARE_MS = 5;
/** Text this short takes a few turns at the worst: the watchdog would cost more than it saves. */
const UNWATCHED_BYTES_MAX = 4_096;

/**
 * @returns null when all lines pass
 * @throws FilterProblem
 */
export function lineFilter(spec: LineFilterSpec, turns: FilterTurns = filterTurns): LineFilter | null {
  const levels = values(spec, 'levels').map((level) => level.toLowerCase());
  const roles = values(spec, 'roles');
  const userIds = values(spec, 'userIds');
  const keywords = values(spec, 'keywords').map((keyword) => keyword.toLowerCase());
  const startTime = instant(spec, 'startTime');
  const endTime = instant(spec, 'endTime');
  const pattern = spec.pattern ? new LinePattern(spec.pattern) : null;
  if (keywords.includes('')) {
    throw new FilterProblem('keywords', 'has an empty one');
  }
  if (keywords.some((keyword) => keyword.length > SOUGHT_LENGTH_MAX)) {
    throw new FilterProblem('keywords', `has a value longer than ${SOUGHT_LENGTH_MAX} characters`);
  }
  const tests: LineTest[] = [];
  // The cheapest first.
  if (startTime !== null) {
    tests.push(({ frame }) => timeKey(frame.time) >= startTime);
  }
  if (endTime !== null) {
    tests.push(({ frame }) => timeKey(frame.time) < endTime);
  }
  if (roles.length > 0) {
    tests.push(({ frame }) => roles.includes(frame.role ?? ''));
  }
  if (userIds.length > 0) {
    tests.push(({ frame }) => userIds.includes(frame.user_id ?? ''));
  }
  if (levels.length > 0) {
    tests.push(({ frame }) => levels.includes(levelOf(frame.metadata?.['level'])));
  }
  if (keywords.length > 0) {
    tests.push((line) => keywords.some((keyword) => line.foldedContent.includes(keyword)));
  }
  if (tests.length === 0 && pattern === null) {
    return null;
  }
  const isWatched = pattern !== null || keywords.length > 0;
  return new TestedLines(tests, pattern, isWatched, [needles('role', roles), needles('user_id', userIds)], turns);
}

type LineTest = (line: ParsedLine) => boolean;

function values(spec: LineFilterSpec, field: 'levels' | 'roles' | 'userIds' | 'keywords'): readonly string[] {
  const given = spec[field] ?? [];
  if (given.length > VALUES_MAX) {
    throw new FilterProblem(field, `has more than ${VALUES_MAX} values`);
  }
  if (given.some((value) => value.length > VALUE_LENGTH_MAX)) {
    throw new FilterProblem(field, `has a value longer than ${VALUE_LENGTH_MAX} characters`);
  }
  return given;
}

function levelOf(level: unknown): string {
  return typeof level === 'string' ? level.toLowerCase() : '';
}

/** Of which a chunk has at least one when any of its lines passes; none: that can't be told from the bytes. */
function needles(key: string, wanted: readonly string[]): readonly Buffer[] {
  // A field that is empty does not stand in the line.
  if (wanted.includes('') || wanted.length > NEEDLES_MAX) {
    return [];
  }
  const sought = wanted.map((value) => Buffer.concat([Buffer.from(`"${key}":`), encodeSessionIdJson(value)]));
  return sought.some((needle) => needle.length > SOUGHT_LENGTH_MAX) ? [] : sought;
}

/** Instants in the order of their text: `2026-11-21T10:00:00.123000000`. */
function instant(spec: LineFilterSpec, field: 'startTime' | 'endTime'): string | null {
  const given = spec[field] ?? null;
  if (given === null) {
    return null;
  }
  const { seconds, nanos } = given;
  // As NaN is, too.
  if (!(seconds >= TIME_SECONDS_MIN && seconds <= TIME_SECONDS_MAX && nanos >= 0 && nanos <= NANOS_MAX)) {
    throw new FilterProblem(field, 'is no time between the years 1 and 9999');
  }
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(nanos).padStart(9, '0')}`;
}

/** The same of a line's `time`: RFC 3339 in UTC with 0, 3, 6 or 9 digits of a second. */
function timeKey(time: string): string {
  return `${time.slice(0, 19)}.${time.slice(20, -1).padEnd(9, '0')}`;
}

class TestedLines implements LineFilter {
  readonly #tests: readonly LineTest[];
  readonly #pattern: LinePattern | null;
  readonly #isWatched: boolean;
  readonly #needles: readonly (readonly Buffer[])[];
  readonly #turns: FilterTurns;
  /** It came to the end of something long, and was not cut off since: it need not rest for what others do. */
  #isProven = false;

  constructor(
    tests: readonly LineTest[],
    pattern: LinePattern | null,
    isWatched: boolean,
    needlesOfFields: readonly (readonly Buffer[])[],
    turns: FilterTurns,
  ) {
    this.#tests = tests;
    this.#pattern = pattern;
    this.#isWatched = isWatched;
    this.#needles = needlesOfFields.filter((one) => one.length > 0);
    this.#turns = turns;
  }

  select(lines: LogLines, signal?: AbortSignal): LogLines | null | Promise<LogLines | null> {
    if (!this.#needles.every((field) => field.some((needle) => lines.bytes.includes(needle)))) {
      return null;
    }
    const selection = new Selection(lines, (line) => this.#passes(line));
    if (this.#turns.isOpen && !this.#rests(selection) && this.#advance(selection)) {
      return selection.lines();
    }
    return this.#finish(selection, signal);
  }

  async #finish(selection: Selection, signal: AbortSignal | undefined): Promise<LogLines | null> {
    do {
      await this.#turns.wait();
      while (signal?.aborted !== true && this.#rests(selection)) {
        await this.#turns.rested();
      }
      if (signal?.aborted === true) {
        throw new ReadingAborted();
      }
    } while (!this.#advance(selection));
    return selection.lines();
  }

  #mayBeCut({ bytes }: Selection): boolean {
    return this.#isWatched && bytes > UNWATCHED_BYTES_MAX;
  }

  #rests(selection: Selection): boolean {
    return !this.#isProven && this.#turns.isResting && this.#mayBeCut(selection);
  }

  /** One turn's share. @returns whether that was all */
  #advance(selection: Selection): boolean {
    const startedMs = this.#turns.nowMs();
    const advance = (): void => selection.advance(() => this.#turns.nowMs() - startedMs < SHARE_MS);
    if (this.#mayBeCut(selection)) {
      this.#advanceWatched(selection, advance);
    } else {
      advance();
    }
    const takenMs = this.#turns.nowMs() - startedMs;
    this.#turns.spend(takenMs);
    selection.takenMs += takenMs;
    if (selection.cuts === TRIES_MAX || (!selection.isDone && selection.takenMs > CHUNK_MS_MAX)) {
      throw new ReadingError('FILTER_TOO_SLOW', 'the filter takes too long over the lines: use a simpler pattern');
    }
    return selection.isDone;
  }

  #advanceWatched(selection: Selection, advance: () => void): void {
    const before = process.cpuUsage();
    this.#isProven = runWithin(selection.elapsedMsMax, advance);
    if (!this.#isProven) {
      const { user, system } = process.cpuUsage(before);
      const usedMs = (user + system) / 1000;
      this.#turns.rest(usedMs);
      this.#pattern?.renew();
      selection.wasCut(usedMs);
    }
  }

  #passes(line: ParsedLine): boolean {
    for (const test of this.#tests) {
      if (!test(line)) {
        return false;
      }
    }
    return this.#pattern === null || this.#pattern.test(line.content);
  }
}
