/**
 * A viewer's regular expression, which no line can make run away: RE2 syntax, matched in time linear in the line.
 *
 * Linear still leaves a bad case: a pattern such as `a[ab]{400}c` makes the automaton build a new state for each character, 12 µs of them
 * (measured; most patterns pass 100 MB/s), so that a line of 1 MiB would take 12 s. So nothing but short text is matched without
 * a watchdog, which ends JavaScript where it stands.
 */
import { createContext, Script } from 'node:vm';
import { RE2JS, RE2JSException } from 're2js';
import { FilterProblem } from './filter-problem.js';

const PATTERN_LENGTH_MAX = 512;
/** Repetitions are written out: `(x{1,100}){1,10}` is 2,000 instructions. */
const PROGRAM_SIZE_MAX = 4_000;

/** A compiled pattern; one that was cut off in the middle of its work is not to be trusted any more. */
export class LinePattern {
  readonly #source: string;
  #compiled: RE2JS;

  /** @throws FilterProblem */
  constructor(source: string) {
    this.#source = source;
    this.#compiled = compiled(source);
  }

  /** Whether it matches somewhere in `text`. */
  test(text: string): boolean {
    return this.#compiled.test(text);
  }

  renew(): void {
    this.#compiled = compiled(this.#source);
  }
}

function compiled(source: string): RE2JS {
  if (source.length > PATTERN_LENGTH_MAX) {
    throw new FilterProblem('pattern', `is longer than ${PATTERN_LENGTH_MAX} characters`);
  }
  // Before anything is written out, which takes 0.1 s for a pattern of fifty repetitions.
  if (repetitions(source) > PROGRAM_SIZE_MAX) {
    throw repeatsTooMuch();
  }
  const pattern = parsed(source);
  if (pattern.programSize() > PROGRAM_SIZE_MAX) {
    throw repeatsTooMuch();
  }
  return pattern;
}

/** How often a pattern says that something comes, as if nothing was nested: at most the steps that it has written out. */
function repetitions(source: string): number {
  return [...source.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].reduce((sum, [, least, most]) => sum + Number(most || least), 0);
}

function repeatsTooMuch(): FilterProblem {
  return new FilterProblem('pattern', `repeats too much: written out it has more than ${PROGRAM_SIZE_MAX} steps`);
}

function parsed(source: string): RE2JS {
  try {
    return RE2JS.compile(source);
  } catch (error) {
    if (error instanceof RE2JSException) {
      const reason = error.message.replace(/^error parsing regexp: /, '');
      throw new FilterProblem(
        'pattern',
        `is no regular expression (RE2 syntax, without look-around and \\1): ${reason}`,
      );
    }
    throw error;
  }
}

/** Has no globals but `run`. */
const watched = createContext({ run: (): void => undefined });
const runWatched = new Script('run()');

/**
 * Calls `run`, and ends it wherever it is after `timeoutMs` of JavaScript: what others made and it worked on is to be thrown away then. Costs 0.1 ms.
 * @returns whether it came to its end
 */
export function runWithin(timeoutMs: number, run: () => void): boolean {
  watched['run'] = run;
  try {
    runWatched.runInContext(watched, { timeout: timeoutMs });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') {
      return false;
    }
    throw error;
  } finally {
    watched['run'] = null;
  }
}
