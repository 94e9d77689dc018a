/** Figures of `bench/ingest.ts`: their shape in JSON, medians, verdicts. */
import type { Contender } from './contenders.js';
import type { Machine, Pinning } from './process-figures.js';

/** Issue 2: three quarters of what the transport alone does. */
export const CEILING_RATIO_TARGET = 0.75;

/** One server, once. */
export interface IngestRun {
  readonly run: number;
  readonly contender: Contender;
  readonly sessions: number;
  readonly wallSeconds: number;
  readonly framesPerSecond: number;
  /** User and system, all threads, until everything the frames caused was done. */
  readonly serverCpuSeconds: number;
  /** The part of it that the kernel used: reads, writes, syncs. */
  readonly serverSystemSeconds: number;
  readonly serverCpuSecondsPerMillion: number;
  /** write, pwrite and writev, files and sockets alike: what the group commit saves. */
  readonly serverWriteCalls: number;
  readonly peakRssBytes: number;
  readonly generatorCpuSecondsPerMillion: number;
  /** What others took of the server's core meanwhile; null when nothing was pinned. High: the run was disturbed. */
  readonly neighbourCpuSeconds: number | null;
}

export interface Median {
  readonly median: number;
  /** (largest − smallest) / median. */
  readonly spread: number;
}

export interface IngestRow {
  readonly contender: Contender;
  readonly sessions: number;
  readonly framesPerSecond: Median;
  readonly serverCpuSecondsPerMillion: Median;
  readonly peakRssBytes: Median;
  readonly generatorCpuSecondsPerMillion: Median;
  /** Of the pairs of one run: this row's frames/s over the ceiling's, and the same per CPU second. Null without a ceiling. */
  readonly ofCeiling: { readonly framesPerSecond: Median; readonly framesPerCpuSecond: Median } | null;
  /** Met when wall and CPU both reach it: either alone can be had by accident. Null where there is no target. */
  readonly target: { readonly ratio: number; readonly met: boolean } | null;
}

export interface IngestReport {
  readonly bench: 'ingest';
  readonly at: string;
  readonly smoke: boolean;
  readonly machine: Machine;
  readonly pinning: Pinning | null;
  readonly versions: { readonly node: string; readonly grpcJs: string; readonly logweir: string };
  readonly load: {
    readonly frames: number;
    readonly warmupFrames: number;
    /** Mean size of a frame, protobuf. */
    readonly frameBytes: number;
    readonly streams: number;
    readonly connections: number;
    readonly seed: number;
    readonly runs: number;
  };
  readonly compression: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly rows: readonly IngestRow[];
  readonly runs: readonly IngestRun[];
}

export function ingestRows(runs: readonly IngestRun[]): IngestRow[] {
  const rows = new Map<string, IngestRun[]>();
  for (const run of runs) {
    const key = `${run.sessions} ${run.contender}`;
    rows.set(key, [...(rows.get(key) ?? []), run]);
  }
  return Array.from(rows.values(), (ofRow) => ingestRow(ofRow, runs));
}

function ingestRow(ofRow: readonly IngestRun[], all: readonly IngestRun[]): IngestRow {
  const [first] = ofRow;
  if (first === undefined) {
    throw new Error('a row without runs');
  }
  const { contender, sessions } = first;
  const pairs = contender === 'ceiling' ? [] : pairsWithCeiling(ofRow, all);
  const ofCeiling =
    pairs.length === 0
      ? null
      : {
          framesPerSecond: medianOf(pairs.map(([run, ceiling]) => run.framesPerSecond / ceiling.framesPerSecond)),
          framesPerCpuSecond: medianOf(
            pairs.map(([run, ceiling]) => ceiling.serverCpuSecondsPerMillion / run.serverCpuSecondsPerMillion),
          ),
        };
  return {
    contender,
    sessions,
    framesPerSecond: medianOf(ofRow.map((run) => run.framesPerSecond)),
    serverCpuSecondsPerMillion: medianOf(ofRow.map((run) => run.serverCpuSecondsPerMillion)),
    peakRssBytes: medianOf(ofRow.map((run) => run.peakRssBytes)),
    generatorCpuSecondsPerMillion: medianOf(ofRow.map((run) => run.generatorCpuSecondsPerMillion)),
    ofCeiling,
    target: contender === 'logweir' && ofCeiling !== null ? verdict(ofCeiling) : null,
  };
}

function verdict({ framesPerSecond, framesPerCpuSecond }: NonNullable<IngestRow['ofCeiling']>): IngestRow['target'] {
  const ratio = CEILING_RATIO_TARGET;
  return { ratio, met: framesPerSecond.median >= ratio && framesPerCpuSecond.median >= ratio };
}

function pairsWithCeiling(ofRow: readonly IngestRun[], all: readonly IngestRun[]): [IngestRun, IngestRun][] {
  return ofRow.flatMap((run): [IngestRun, IngestRun][] => {
    const ceiling = all.find(
      (other) => other.contender === 'ceiling' && other.run === run.run && other.sessions === run.sessions,
    );
    return ceiling === undefined ? [] : [[run, ceiling]];
  });
}

/** Of an even count the mean of the middle two. */
export function medianOf(values: readonly number[]): Median {
  const sorted = values.toSorted((one, other) => one - other);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN;
  const median = (low + high) / 2;
  return { median, spread: ((sorted.at(-1) ?? Number.NaN) - (sorted[0] ?? Number.NaN)) / median };
}
