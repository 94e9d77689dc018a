/** What `bench/ingest.ts` prints. */
import {
  CEILING_RATIO_TARGET,
  type IngestReport,
  type IngestRow,
  type IngestRun,
  type Median,
} from './ingest-report.js';

/** Of the wall time; more than this on the server's core by others, and the run says little about wall time. */
const DISTURBED_SHARE = 0.05;

const HEADINGS = [
  'sessions',
  'server',
  'frames/s',
  '±',
  'CPU s/M frames',
  '±',
  'frames/CPU s',
  'peak RSS',
  'generator CPU s/M',
  'of ceiling: wall',
  'per CPU s',
  `target ≥ ${CEILING_RATIO_TARGET}`,
];
/** Columns of words; the others hold numbers. */
const LEFT_ALIGNED = new Set([1, 11]);

export function ingestText({ load, compression, pinning, rows, runs }: IngestReport): string {
  const { frames, frameBytes, streams, connections } = load;
  const disturbed = runs.filter(isDisturbed).length;
  return [
    `Ingest: ${whole(frames)} frames of ${whole(frameBytes)} bytes (protobuf), one message each, ${streams} streams over ` +
      `${connections} connections, LOG_COMPRESSION=${compression}.`,
    `${load.runs} paired runs: medians; ± is (largest - smallest) / median. ` +
      (pinning === null ? 'Not pinned.' : `Server on core ${pinning.server}, generator on core ${pinning.generator}.`),
    '',
    table(rows),
    ...(disturbed === 0
      ? []
      : [
          '',
          `${disturbed} of ${runs.length} runs were disturbed: others took over ${percent(DISTURBED_SHARE)} of the server's core.`,
        ]),
  ].join('\n');
}

/** One run, while the others are still to come. */
export function runLine(run: IngestRun): string {
  const parts = [
    `run ${run.run}, ${whole(run.sessions)} sessions, ${run.contender}: ${whole(run.framesPerSecond)} frames/s`,
    `${run.serverCpuSecondsPerMillion.toFixed(2)} CPU s/M (${percent(run.serverSystemSeconds / run.serverCpuSeconds)} kernel)`,
    `${whole(run.serverWriteCalls)} write calls`,
  ];
  if (isDisturbed(run)) {
    parts.push(`${run.neighbourCpuSeconds?.toFixed(2)} s of ${run.wallSeconds.toFixed(2)} s taken by others`);
  }
  return parts.join(', ');
}

function isDisturbed(run: IngestRun): boolean {
  return (run.neighbourCpuSeconds ?? 0) > DISTURBED_SHARE * run.wallSeconds;
}

function table(rows: readonly IngestRow[]): string {
  const cells = [HEADINGS, ...rows.map(cellsOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((cell, column) =>
          LEFT_ALIGNED.has(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cellsOf(row: IngestRow): string[] {
  return [
    whole(row.sessions),
    row.contender,
    whole(row.framesPerSecond.median),
    percent(row.framesPerSecond.spread),
    row.serverCpuSecondsPerMillion.median.toFixed(2),
    percent(row.serverCpuSecondsPerMillion.spread),
    whole(1_000_000 / row.serverCpuSecondsPerMillion.median),
    `${Math.round(row.peakRssBytes.median / 1_000_000)} MB`,
    row.generatorCpuSecondsPerMillion.median.toFixed(2),
    ratio(row.ofCeiling?.framesPerSecond),
    ratio(row.ofCeiling?.framesPerCpuSecond),
    row.target === null ? '' : row.target.met ? 'met' : 'missed',
  ];
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function ratio(median: Median | undefined): string {
  return median === undefined ? '' : `${median.median.toFixed(2)} ± ${percent(median.spread)}`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
