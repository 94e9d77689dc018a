/** The parameters of a request, each checked where it is read. */
import { SEQ_MAX } from '../frame/limits.js';
import { parseRfc3339 } from '../frame/rfc3339.js';
import { HttpProblem } from './http-problem.js';

export class Query {
  readonly #given: URLSearchParams;

  /** @throws HttpProblem 400 */
  constructor(text: string) {
    try {
      decodeURIComponent(text);
    } catch {
      throw new HttpProblem(400, 'the query is not percent-encoded UTF-8');
    }
    this.#given = new URLSearchParams(text);
  }

  /** Null when it is absent or empty. */
  text(name: string): string | null {
    const [value = '', ...more] = this.#given.getAll(name);
    if (more.length > 0) {
      throw new HttpProblem(400, `${name} is given more than once`, name);
    }
    return value === '' ? null : value;
  }

  /** Comma lists, of all times and names under which it is given. */
  list(...names: readonly string[]): string[] {
    return names
      .flatMap((name) => this.#given.getAll(name))
      .flatMap((value) => value.split(','))
      .map((value) => value.trim())
      .filter((value) => value !== '');
  }

  /** A seq; 0 stands before the first. Null when it is absent. */
  seq(name: string): number | null {
    return this.count(name, SEQ_MAX);
  }

  /** An integer from 0 to `max`. Null when it is absent. */
  count(name: string, max: number): number | null {
    const text = this.text(name);
    return text === null ? null : countOf(name, text, max);
  }

  /** RFC 3339. Null when it is absent. */
  time(name: string): { readonly seconds: number; readonly nanos: number } | null {
    const text = this.text(name);
    if (text === null) {
      return null;
    }
    // A plus that was not percent-encoded arrives as a space.
    const time = parseRfc3339(text.replace(/ (?=\d\d:\d\d$)/, '+'));
    if (time === null) {
      throw new HttpProblem(400, `${name} must be a time as 2026-11-21T10:00:00Z`, name);
    }
    return time;
  }
}

/** @throws HttpProblem 400 */
export function countOf(name: string, text: string, max: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) {
    throw new HttpProblem(400, `${name} must be an integer from 0 to ${max}`, name);
  }
  return value;
}
