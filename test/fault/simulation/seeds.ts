import { appendFileSync, readFileSync } from 'node:fs';
import { type Outcome, simulate } from './simulate.js';

const TRACE_LINES = 60;

/** What a number of seeds came to. */
export interface Totals {
  seeds: number;
  events: number;
  crashes: number;
  'faults injected': number;
  'frames sent': number;
  'frames acknowledged': number;
  'sessions completed': number;
}

export function noTotals(): Totals {
  return {
    seeds: 0,
    events: 0,
    crashes: 0,
    'faults injected': 0,
    'frames sent': 0,
    'frames acknowledged': 0,
    'sessions completed': 0,
  };
}

export function addTo(totals: Totals, outcome: Outcome): void {
  totals.seeds++;
  totals.events += outcome.events;
  totals.crashes += outcome.crashes;
  totals['faults injected'] += outcome.faults;
  totals['frames sent'] += outcome.frames;
  totals['frames acknowledged'] += outcome.acknowledged;
  totals['sessions completed'] += outcome.completed;
}

/** The seeds that once failed: a number at the start of a line, and a word on why. */
export function keptSeeds(file: string): number[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => /^\d/.test(line)).map((line) => Number.parseInt(line, 10));
}

/** Keeps a seed that failed, so that it is run first from now on. */
export function keepSeed(file: string, { seed, violations }: Outcome): void {
  if (!keptSeeds(file).includes(seed)) {
    appendFileSync(file, `${seed} ${violations[0]?.slice(0, 120) ?? ''}\n`);
  }
}

/** What a person needs who is to find out why: the seed, what was not as promised, and the last events before the end. */
export async function reportOf({ seed, violations }: Outcome): Promise<string> {
  const trace: string[] = [];
  await simulate(seed, undefined, (line) => {
    trace.push(line);
    if (trace.length > TRACE_LINES) {
      trace.shift();
    }
  });
  return [
    `seed ${seed} failed; npm run test:simulate -- --seed ${seed} prints all its events. What was not as promised:`,
    ...violations.slice(0, 10).map((violation) => `  ${violation.slice(0, 400)}`),
    'Its last events:',
    ...trace.map((line) => `  ${line}`),
  ].join('\n');
}
