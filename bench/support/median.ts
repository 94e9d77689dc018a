export interface Median {
  readonly median: number;
  /** (largest − smallest) / median. */
  readonly spread: number;
}

/** Of an even count the mean of the middle two. */
export function medianOf(values: readonly number[]): Median {
  const sorted = values.toSorted((one, other) => one - other);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN;
  const median = (low + high) / 2;
  const range = (sorted.at(-1) ?? Number.NaN) - (sorted[0] ?? Number.NaN);
  return { median, spread: range === 0 ? 0 : range / median };
}
