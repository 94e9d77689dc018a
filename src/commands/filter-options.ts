/** Which lines `tail`, `monitor` and `cat` print. */
import { type Command, InvalidArgumentError } from 'commander';
import type { TailFilter } from '../client/tail-event.js';
import { FilterProblem } from '../reading/filter-problem.js';
import { lineFilter } from '../reading/line-filter.js';
import { CommandError } from './command-io.js';
import { EXIT_USAGE } from './exit-codes.js';
import { collectList, type Moment, parseMoment } from './option-values.js';

export interface FilterOptions {
  readonly grep?: string;
  readonly level?: readonly string[];
  readonly role?: readonly string[];
  readonly user?: readonly string[];
  readonly since?: Moment;
  readonly until?: Moment;
}

/** For the help of commands that have them. */
export const FILTER_HELP = `Filters: a line is printed when it passes all of them. PATTERN is a regular expression (RE2), in
which ^ and $ match at every line of a content; levels are those of metadata.level, in any case.`;

export function addFilterOptions(command: Command): Command {
  return command
    .option('--grep <pattern>', 'only lines with a match in their content', parsePattern)
    .option('--level <levels>', 'only lines of these levels, with commas between them', collectList)
    .option('--role <roles>', 'only lines of these roles', collectList)
    .option('--user <ids>', 'only lines of these users', collectList)
    .option('--since <time>', 'only lines from then on: 10m, 1h30m, or 2026-11-21T10:00:00Z', parseMoment)
    .option('--until <time>', 'only lines from before then', parseMoment);
}

const OPTION_NAMES: Readonly<Record<FilterProblem['field'], string>> = {
  pattern: '--grep',
  levels: '--level',
  roles: '--role',
  userIds: '--user',
  startTime: '--since',
  endTime: '--until',
  keywords: 'keywords',
};

/** Undefined when all lines pass. @throws CommandError naming the option: here, and not only where the lines are */
export function filterOf({ grep, level, role, user, since, until }: FilterOptions): TailFilter | undefined {
  const filter: TailFilter = {
    // What `logweir run` stores ends with its line feed, before which `$` is to match.
    ...(grep !== undefined && { pattern: `(?m)${grep}` }),
    ...(level !== undefined && { levels: level }),
    ...(role !== undefined && { roles: role }),
    ...(user !== undefined && { userIds: user }),
    ...(since !== undefined && { startTime: since }),
    ...(until !== undefined && { endTime: until }),
  };
  try {
    if (grep !== undefined) {
      // As it was typed: what is wrong with it is told with the pattern itself.
      lineFilter({ pattern: grep });
    }
    return lineFilter(filter) === null ? undefined : filter;
  } catch (error) {
    if (error instanceof FilterProblem) {
      throw new CommandError(`${OPTION_NAMES[error.field]} ${error.reason}`, EXIT_USAGE, { cause: error });
    }
    throw error;
  }
}

function parsePattern(value: string): string {
  if (value === '') {
    throw new InvalidArgumentError('expected a regular expression.');
  }
  return value;
}
