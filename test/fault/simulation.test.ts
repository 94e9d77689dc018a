import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { amount, measured } from './amounts.js';
import { PLANTED_BUGS } from './simulation/planted-bugs.js';
import { addTo, keepSeed, keptSeeds, noTotals, reportOf } from './simulation/seeds.js';
import { simulate } from './simulation/simulate.js';

const SEEDS_FILE = fileURLToPath(new URL('simulation/seeds.txt', import.meta.url));
const SEEDS = amount(3000, 200_000);
const PLANTED_WITHIN = 100;
const HOURS = 3_600_000;

describe('any crashes, power cuts, disk errors and lost answers, in any order', () => {
  test(
    'leave every acknowledged frame stored once and in order, every segment finished, chained and announced, and every completion behind its segments',
    async () => {
      const totals = noTotals();
      const seeds = new Set([...keptSeeds(SEEDS_FILE), ...Array.from({ length: SEEDS }, (_, index) => index + 1)]);
      const reports: string[] = [];
      for (const seed of seeds) {
        const outcome = await simulate(seed);
        addTo(totals, outcome);
        if (outcome.violations.length > 0) {
          keepSeed(SEEDS_FILE, outcome);
          reports.push(await reportOf(outcome));
        }
      }
      measured('all of these in any order', { ...totals });
      expect(reports.slice(0, 5).join('\n\n')).toBe('');
      // It would find nothing in a world where nothing happens.
      expect(totals.crashes).toBeGreaterThan(seeds.size);
      expect(totals['faults injected']).toBeGreaterThan(seeds.size);
      expect(totals['frames acknowledged']).toBeGreaterThan(seeds.size * 10);
      expect(totals['sessions completed']).toBeGreaterThan(seeds.size / 2);
    },
    6 * HOURS,
  );
});

describe('the simulation', () => {
  test('runs a seed twice in the same way, event for event', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const once: string[] = [];
      const twice: string[] = [];
      const outcome = await simulate(seed, undefined, (line) => once.push(line));
      expect(await simulate(seed, undefined, (line) => twice.push(line))).toEqual(outcome);
      expect(twice).toEqual(once);
    }
  });

  test.for(PLANTED_BUGS)('finds a planted bug: $name', async (bug) => {
    for (let seed = 1; seed <= PLANTED_WITHIN; seed++) {
      if ((await simulate(seed, bug)).violations.length > 0) {
        measured('The harness itself', { [bug.name]: seed });
        return;
      }
    }
    throw new Error(`not found within ${PLANTED_WITHIN} seeds`);
  });
});
