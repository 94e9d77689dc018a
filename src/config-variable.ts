/** What an environment variable of ours is, and the kinds there are. */
import { z } from 'zod';
import type { Config } from './config.js';

/** What the process runs in, as far as a default or a limit depends on it. */
export interface Surroundings {
  /** LOG_DIR is made absolute against it. */
  readonly cwd: string;
  readonly cores: number;
  /** RLIMIT_NOFILE; infinite when there is none. */
  readonly openFilesMax: number;
}

export interface Variable {
  readonly name: string;
  readonly field: keyof Config;
  /** As the tables show it. */
  readonly defaultText: string;
  readonly description: string;
  /** What is allowed, to complete "…: <this>". */
  allowed(surroundings: Surroundings): string;
  /** Fails on what is not allowed. Takes the text of the variable, undefined when it is unset or empty. */
  schema(surroundings: Surroundings): z.ZodType<Config[keyof Config], string | undefined>;
  /** The value as it may be shown. */
  mask(text: string): string;
}

type Text = Pick<Variable, 'name' | 'field' | 'description'>;
export type FromSurroundings = (surroundings: Surroundings) => number;

interface IntegerRange {
  readonly min: number;
  readonly max: number | FromSurroundings;
  readonly default: number | FromSurroundings;
  /** Needed when the default is computed. */
  readonly defaultText?: string;
}

export function integer(text: Text, range: IntegerRange): Variable {
  const max: FromSurroundings = (surroundings) => (typeof range.max === 'number' ? range.max : range.max(surroundings));
  return {
    ...text,
    defaultText: range.defaultText ?? String(range.default),
    allowed: (surroundings) =>
      range.max === range.min ? String(range.min) : `an integer from ${range.min} to ${max(surroundings)}`,
    schema: (surroundings) =>
      z
        .string()
        .regex(/^\d{1,16}$/)
        .transform(Number)
        .pipe(z.int().min(range.min).max(max(surroundings)))
        .optional()
        .transform(
          (value) => value ?? (typeof range.default === 'number' ? range.default : range.default(surroundings)),
        ),
    mask: (value) => value,
  };
}

export function choice<const T extends readonly [Config[keyof Config] & string, ...(Config[keyof Config] & string)[]]>(
  text: Text,
  choices: T,
  fallback: T[number],
): Variable {
  return {
    ...text,
    defaultText: fallback,
    allowed: () => `one of ${choices.join(', ')}`,
    schema: () =>
      z
        .enum(choices)
        .optional()
        .transform((value): T[number] => value ?? fallback),
    mask: (value) => value,
  };
}

export function string(text: Text, allowed: string, pattern: RegExp, fallback: string): Variable {
  return {
    ...text,
    defaultText: fallback,
    allowed: () => allowed,
    schema: () => z.string().regex(pattern).default(fallback),
    mask: (value) => value,
  };
}
