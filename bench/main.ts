/**
 * Measures logweir beside what a user would pick instead: one table (markdown, stdout), one JSON file.
 *
 *     npm run bench -- [GROUP…] [--frames 1000000] [--runs 5] [--sessions 10,1000] [--servers logweir,ceiling] [--env NAME=VALUE]
 *                      [--json FILE] [--cpu-prof DIR] [--smoke]
 *
 * *What is measured*: a fresh server process per run, warmed up with sessions of its own; the generator, which replays bytes prepared
 * in advance, on one core. Wall time is from the first request byte to the last acknowledgement; CPU time and peak RSS are the
 * operating system's, until all that the frames caused is done. Servers take turns within a run, and ratios are of one run.
 * *What is checked*: every acknowledgement, and every frame on disk: once, in order, unchanged.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { measureAcks } from './groups/acks.js';
import { measureContents } from './groups/contents.js';
import { measureFanOut } from './groups/fanout.js';
import { measureGzip } from './groups/gzip.js';
import { measureIngest } from './groups/ingest.js';
import { measureMicro } from './groups/micro.js';
import { measureSessions } from './groups/sessions.js';
import { measureStartUp } from './groups/startup.js';
import { Bench } from './support/bench.js';
import { machine } from './support/process-figures.js';
import { type BenchReport, rowsOf } from './support/report.js';
import { reportText } from './support/report-text.js';
import { type BenchSettings, readSettings } from './support/settings.js';
import { versions } from './support/versions.js';

const GROUPS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  ingest: measureIngest,
  sessions: measureSessions,
  acks: measureAcks,
  contents: measureContents,
  gzip: measureGzip,
  startup: measureStartUp,
  micro: measureMicro,
  fanout: measureFanOut,
};

async function measure(settings: BenchSettings): Promise<Bench> {
  const bench = new Bench(settings);
  const names = settings.groups.length === 0 ? Object.keys(GROUPS) : settings.groups;
  const unknown = names.find((name) => GROUPS[name] === undefined);
  if (unknown !== undefined) {
    throw new Error(`there is no group "${unknown}", but ${Object.keys(GROUPS).join(', ')}`);
  }
  for (const name of names) {
    await GROUPS[name]?.(bench);
  }
  return bench;
}

function reportOf(bench: Bench, args: readonly string[], at: Date): BenchReport {
  const { smoke, pinning, frames, runs, streams, connections, inFlight, seed, environment } = bench.settings;
  return {
    bench: 'logweir',
    at: at.toISOString(),
    smoke,
    command: ['npm run bench', ...(args.length === 0 ? [] : ['--', ...args])].join(' '),
    machine: machine(),
    pinning,
    versions: { ...versions(), ...bench.versions },
    settings: { frames, runs, streams, connections, inFlight, seed, environment },
    notes: bench.notes,
    rows: rowsOf(bench.samples, bench.comparisons),
    samples: bench.samples,
  };
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const at = new Date();
  const settings = readSettings(args);
  const report = reportOf(await measure(settings), args, at);
  console.log(reportText(report));
  mkdirSync(dirname(settings.jsonFile), { recursive: true });
  writeFileSync(settings.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // By way of 'exit', which ends the child processes and removes their LOG_DIR.
  process.once(signal, () => process.exit(1));
}
try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
