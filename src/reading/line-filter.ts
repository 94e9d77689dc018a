/**
 * Which lines a viewer wants to see. All that is set must pass; within a list any.
 *
 * A filter never holds up the process: all filters together take a few milliseconds of each turn of the event loop, a pattern is
 * linear and watched (line-pattern.ts), and a chunk that takes `CHUNK_MS_MAX` in all ends the reading with FILTER_TOO_SLOW.
 */
import type { RE2JS } from 're2js';
import { NANOS_MAX, TIME_SECONDS_MAX, TIME_SECONDS_MIN } from '../frame/limits.js';
import { encodeSessionIdJson } from '../frame/session-id.js';
import { FilterProblem } from './filter-problem.js';
import { type FilterTurns, filterTurns } from './filter-turns.js';
import { compilePattern, runWithin } from './line-pattern.js';
import { LogLines } from './log-events.js';
import type { LineFilter } from './log-source.js';
import { type ParsedLine, parsedLines } from './parsed-lines.js';
import { ReadingError } from './reading-error.js';

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
/** The longest a chunk may take in all; and at once, during which nothing else runs: room for a machine that is busy. */
const CHUNK_MS_MAX = 10_000;
const LINE_MS_MAX = 1_000;
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
  const pattern = spec.pattern ? compilePattern(spec.pattern) : null;
  if (keywords.includes('')) {
    throw new FilterProblem('keywords', 'has an empty one');
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
  return new TestedLines(tests, pattern, [needles('role', roles), needles('user_id', userIds)], turns);
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
  return wanted.includes('')
    ? []
    : wanted.map((value) => Buffer.concat([Buffer.from(`"${key}":`), encodeSessionIdJson(value)]));
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
  readonly #pattern: RE2JS | null;
  readonly #needles: readonly (readonly Buffer[])[];
  readonly #turns: FilterTurns;

  constructor(
    tests: readonly LineTest[],
    pattern: RE2JS | null,
    needlesOfFields: readonly (readonly Buffer[])[],
    turns: FilterTurns,
  ) {
    this.#tests = tests;
    this.#pattern = pattern;
    this.#needles = needlesOfFields.filter((one) => one.length > 0);
    this.#turns = turns;
  }

  select(lines: LogLines): LogLines | null | Promise<LogLines | null> {
    if (!this.#needles.every((field) => field.some((needle) => lines.bytes.includes(needle)))) {
      return null;
    }
    const selection = new Selection(lines, (line) => this.#passes(line));
    if (this.#turns.isOpen && this.#advance(selection)) {
      return selection.lines();
    }
    return this.#finish(selection);
  }

  async #finish(selection: Selection): Promise<LogLines | null> {
    do {
      await this.#turns.wait();
    } while (!this.#advance(selection));
    return selection.lines();
  }

  /** One turn's share. @returns whether that was all */
  #advance(selection: Selection): boolean {
    const startedMs = this.#turns.nowMs();
    const advance = (): void => selection.advance(() => this.#turns.nowMs() - startedMs < SHARE_MS);
    let isCut = false;
    if (this.#pattern === null || selection.bytes <= UNWATCHED_BYTES_MAX) {
      advance();
    } else {
      isCut = !runWithin(LINE_MS_MAX, advance);
    }
    const takenMs = this.#turns.nowMs() - startedMs;
    this.#turns.spend(takenMs);
    selection.takenMs += takenMs;
    if (isCut || (!selection.isDone && selection.takenMs > CHUNK_MS_MAX)) {
      throw new ReadingError('FILTER_TOO_SLOW', 'the filter takes too long over the lines: use a simpler pattern');
    }
    return selection.isDone;
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

/** A chunk on its way through a filter. */
class Selection {
  takenMs = 0;
  readonly #lines: LogLines;
  readonly #parsed: readonly ParsedLine[];
  readonly #passes: LineTest;
  readonly #passed: ParsedLine[] = [];
  #next = 0;

  constructor(lines: LogLines, passes: LineTest) {
    this.#lines = lines;
    this.#parsed = parsedLines(lines);
    this.#passes = passes;
  }

  get bytes(): number {
    return this.#lines.bytes.length;
  }

  get isDone(): boolean {
    return this.#next === this.#parsed.length;
  }

  /** At least one line further. */
  advance(hasTime: () => boolean): void {
    do {
      const line = this.#parsed[this.#next];
      if (line === undefined) {
        return;
      }
      if (this.#passes(line)) {
        this.#passed.push(line);
      }
      this.#next++;
    } while (hasTime());
  }

  /** Those that passed; the chunk itself when all did, with what has been made of it. */
  lines(): LogLines | null {
    const [first] = this.#passed;
    const last = this.#passed.at(-1);
    if (first === undefined || last === undefined) {
      return null;
    }
    if (this.#passed.length === this.#parsed.length) {
      return this.#lines;
    }
    const { bytes, sessionId } = this.#lines;
    const chosen = Buffer.concat(this.#passed.map(({ start, end }) => bytes.subarray(start, end)));
    return new LogLines(sessionId, first.frame.seq, last.frame.seq, chosen);
  }
}
