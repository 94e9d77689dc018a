import type { LineFilterSpec } from './line-filter.js';

/** A filter cannot be made of what was asked for. */
export class FilterProblem extends Error {
  readonly field: keyof LineFilterSpec;
  /** Goes on behind the field's name, whatever that is where it came from: `pattern` + ` is longer than …`. */
  readonly reason: string;

  constructor(field: keyof LineFilterSpec, reason: string) {
    super(`${field} ${reason}`);
    this.name = 'FilterProblem';
    this.field = field;
    this.reason = reason;
  }
}
