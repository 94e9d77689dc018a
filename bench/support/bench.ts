import type { Figure, Figures } from './figures.js';
import { FIGURES, isFigure } from './figures.js';
import type { Comparison, RowKey, Sample } from './report.js';
import type { BenchSettings } from './settings.js';

/** What the groups of a run bring together. */
export class Bench {
  readonly settings: BenchSettings;
  readonly samples: Sample[] = [];
  readonly comparisons: Comparison[] = [];
  readonly notes: string[] = [];
  /** Of the peers that were measured. */
  readonly versions: Record<string, string> = {};

  constructor(settings: BenchSettings) {
    this.settings = settings;
  }

  /** The same bench, for work that is done so many times. */
  withRuns(runs: number): Bench {
    const { samples, comparisons, notes, versions } = this;
    return Object.assign(new Bench({ ...this.settings, runs }), { samples, comparisons, notes, versions });
  }

  /** Whether a server is to be measured. */
  wants(server: string): boolean {
    return this.settings.servers === null || this.settings.servers.includes(server);
  }

  record(row: RowKey, run: number, figures: Figures): void {
    this.samples.push({ ...row, run, figures });
    const texts = Object.entries(figures).flatMap(([name, value]) =>
      isFigure(name) ? [`${FIGURES[name].title} ${FIGURES[name].text(value)}`] : [],
    );
    progress(`${row.group}, ${row.job}, ${row.server}, run ${run}: ${texts.join(', ')}`);
  }

  /** A ratio against rows that were measured in the same run; with a bound, a target. */
  ratio(row: RowKey, figure: Figure, against: readonly RowKey[], name: string, bound: Comparison['bound']): void {
    this.comparisons.push({ row, figure, against, name, bound });
  }

  /** A target for a figure by itself. */
  target(row: RowKey, figure: Figure, bound: Comparison['bound']): void {
    this.comparisons.push({ row, figure, against: null, name: '', bound });
  }

  /** Into the report and, at once, before the eyes of whoever waits. */
  note(text: string): void {
    if (!this.notes.includes(text)) {
      this.notes.push(text);
      progress(`*** ${text}`);
    }
  }
}

/** To stderr: stdout is for the table. */
export function progress(text: string): void {
  console.error(text);
}
