/**
 * npm run test:simulate -- --seeds N [--seed S]: N seeds from S on (without it from anywhere); --seed S alone: this one, with all
 * its events. A seed that fails prints itself and is kept in seeds.txt; the exit code is then 1.
 */
import { parseArgs } from 'node:util';
import { addTo, keepSeed, keptSeeds, noTotals, reportOf } from './seeds.js';
import { simulate } from './simulate.js';

const SEEDS_FILE = 'test/fault/simulation/seeds.txt';

const { values } = parseArgs({ options: { seeds: { type: 'string' }, seed: { type: 'string' } } });
const one = values.seed !== undefined && values.seeds === undefined;
const first = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const count = one ? 1 : Number(values.seeds ?? 1000);
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || first < 0 || count < 1) {
  throw new Error('usage: npm run test:simulate -- --seeds N [--seed S], both whole numbers');
}
const seeds = [...(one ? [] : keptSeeds(SEEDS_FILE)), ...Array.from({ length: count }, (_, index) => first + index)];

const totals = noTotals();
let failed = 0;
const startedAtMs = performance.now();
for (const seed of seeds) {
  const outcome = await simulate(seed, undefined, one ? (line) => console.log(line) : null);
  addTo(totals, outcome);
  if (outcome.violations.length > 0) {
    failed++;
    keepSeed(SEEDS_FILE, outcome);
    console.log(await reportOf(outcome));
  }
  if (totals.seeds % 1000 === 0) {
    console.log(`${totals.seeds} of ${seeds.length} seeds, ${failed} failed`);
  }
}
const seconds = Math.round((performance.now() - startedAtMs) / 100) / 10;
console.log(JSON.stringify({ first, ...totals, failed, seconds }));
process.exitCode = failed > 0 ? 1 : 0;
