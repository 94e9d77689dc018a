/** From samples to rows: medians, ratios of what was measured in the same run, verdicts. */
import { type Figure, type Figures, isFigure } from './figures.js';
import { type Median, medianOf } from './median.js';
import type { Machine, Pinning } from './process-figures.js';

/** A row of the table. */
export interface RowKey {
  readonly group: string;
  /** What was done. */
  readonly job: string;
  /** Who did it. */
  readonly server: string;
}

/** A row, measured once. */
export interface Sample extends RowKey {
  readonly run: number;
  readonly figures: Figures;
}

/** A ratio that is looked at, or a figure by itself where `against` is null; with a bound it is a target. */
export interface Comparison {
  readonly row: RowKey;
  readonly figure: Figure;
  /** Of several the best in each run, among those that were measured. */
  readonly against: readonly RowKey[] | null;
  /** How the other side is called. */
  readonly name: string;
  readonly bound: { readonly atLeast: number } | { readonly atMost: number } | null;
}

export interface Verdict {
  readonly figure: Figure;
  readonly against: string;
  readonly value: Median | null;
  readonly bound: Comparison['bound'];
  /** Null: nothing to meet, only to look at. */
  readonly verdict: 'met' | 'missed' | 'not measured' | null;
}

export interface Row extends RowKey {
  readonly figures: Readonly<Partial<Record<Figure, Median>>>;
  readonly verdicts: readonly Verdict[];
}

export interface BenchReport {
  readonly bench: 'logweir';
  readonly at: string;
  readonly smoke: boolean;
  readonly command: string;
  readonly machine: Machine;
  readonly pinning: Pinning | null;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: {
    readonly frames: number;
    readonly runs: number;
    readonly streams: number;
    readonly connections: number;
    readonly inFlight: number;
    readonly seed: number;
    readonly environment: Readonly<Record<string, string>>;
  };
  /** What a reader has to know: who was not there, how something was made. */
  readonly notes: readonly string[];
  readonly rows: readonly Row[];
  readonly samples: readonly Sample[];
}

export function rowsOf(samples: readonly Sample[], comparisons: readonly Comparison[]): Row[] {
  const byRow = new Map<string, Sample[]>();
  for (const sample of samples) {
    const key = textOf(sample);
    byRow.set(key, [...(byRow.get(key) ?? []), sample]);
  }
  const rows: Row[] = [];
  for (const [key, ofRow] of byRow) {
    const [first] = ofRow;
    if (first !== undefined) {
      const { group, job, server } = first;
      const own = comparisons.filter(({ row }) => textOf(row) === key);
      const verdicts = own.map((comparison) => verdictOf(comparison, ofRow, byRow));
      rows.push({ group, job, server, figures: mediansOf(ofRow), verdicts });
    }
  }
  return rows;
}

function textOf({ group, job, server }: RowKey): string {
  return [group, job, server].join('\n');
}

function mediansOf(ofRow: readonly Sample[]): Row['figures'] {
  const names = new Set(ofRow.flatMap(({ figures }) => Object.keys(figures)));
  const medians: Partial<Record<Figure, Median>> = {};
  for (const name of names) {
    if (isFigure(name)) {
      medians[name] = medianOf(valuesOf(ofRow, name).map(({ value }) => value));
    }
  }
  return medians;
}

function valuesOf(ofRow: readonly Sample[], figure: Figure): { run: number; value: number }[] {
  return ofRow.flatMap(({ run, figures }) => {
    const value = figures[figure];
    return value === undefined ? [] : [{ run, value }];
  });
}

function verdictOf(comparison: Comparison, ofRow: readonly Sample[], byRow: Map<string, Sample[]>): Verdict {
  const { figure, against, name, bound } = comparison;
  const values = valuesOf(ofRow, figure).flatMap(({ run, value }) => {
    if (against === null) {
      return [value];
    }
    const others = against.flatMap((row) => valuesOf(byRow.get(textOf(row)) ?? [], figure));
    const ofRun = others.filter((other) => other.run === run).map((other) => other.value);
    return ofRun.length === 0 ? [] : [value / Math.max(...ofRun)];
  });
  const value = values.length === 0 ? null : medianOf(values);
  return { figure, against: name, value, bound, verdict: bound === null ? null : judge(value, bound) };
}

function judge(value: Median | null, bound: NonNullable<Comparison['bound']>): Verdict['verdict'] {
  if (value === null) {
    return 'not measured';
  }
  const meets = 'atLeast' in bound ? value.median >= bound.atLeast : value.median <= bound.atMost;
  return meets ? 'met' : 'missed';
}
