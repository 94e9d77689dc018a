/**
 * A viewer's filter could hold up the whole process: a pattern for 1 s at a time, again with each request; a long keyword, role or user
 * for 2 s each, and a hundred of them one after the other, because V8 searches text longer than 250 characters in quadratic time.
 */
import { describe, expect, it, vi } from 'vitest';
import { FilterTurns } from '../../src/reading/filter-turns.js';
import { type LineFilterSpec, lineFilter } from '../../src/reading/line-filter.js';
import { LogLines } from '../../src/reading/log-events.js';
import { ReadingAborted } from '../../src/reading/read-places.js';
import { type Clock, systemClock } from '../../src/segment/clock.js';
import { SLOW_PATTERN, slowText } from '../support/slow-filter.js';

const SLOW_TEXT = slowText(1 << 20);
const SLOW: LineFilterSpec = { pattern: SLOW_PATTERN };
/** Twenty times what a filter may take at once: without an end to that, this pattern takes some ten seconds for this line. */
const TURN_PROCESSOR_MS_MAX = 1_000;

const lineOf = (content: string): LogLines => {
  const line = { seq: 1, time: '2026-11-21T10:00:00Z', session_id: 's', user_id: 'u', content };
  return new LogLines('s', 1, 1, Buffer.from(`${JSON.stringify(line)}\n`));
};
const manyLines = (text: string): LogLines => {
  const lines = Array.from({ length: 30 }, (_, i) => lineOf(text.slice(i * 1_000, i * 1_000 + 440)).bytes);
  return new LogLines('s', 1, 1, Buffer.concat(lines));
};
const slowLine = lineOf(SLOW_TEXT);

/** Runs nothing by itself: a filter's turns come when a test says so. */
class SteppedClock implements Clock {
  readonly pauses: number[] = [];
  readonly #due: (() => void)[] = [];
  #aheadMs = 0;

  monotonicMs = (): number => systemClock.monotonicMs() + this.#aheadMs;
  wallMs = (): number => systemClock.wallMs();
  every = (): (() => void) => () => undefined;
  soon = (run: () => void): void => {
    this.#due.push(run);
  };
  after = (delayMs: number, run: () => void): (() => void) => {
    this.pauses.push(delayMs);
    this.#due.push(() => {
      this.#aheadMs += delayMs;
      run();
    });
    return () => undefined;
  };

  /**
   * Begins the work, and runs what is due until that has settled.
   * @returns what the longest turn took of the processor, in milliseconds
   */
  async runUntilSettled(begin: () => unknown): Promise<number> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    let longestMs = await processorMs(() => {
      Promise.resolve(begin()).then(settled, settled);
    });
    while (!isSettled) {
      longestMs = Math.max(longestMs, await processorMs(() => this.#due.shift()?.()));
    }
    return longestMs;
  }
}

/** Of one turn, by all threads of the process: a machine that is busy with something else makes it no longer. */
async function processorMs(run: () => void): Promise<number> {
  const before = process.cpuUsage();
  run();
  // What it resolved goes on before the next turn begins.
  await new Promise((resolve) => setImmediate(resolve));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe('a pattern that is too slow for a line', () => {
  it('is cut off a few times, with a rest in between', async () => {
    const clock = new SteppedClock();
    const selecting = Promise.resolve(lineFilter(SLOW, new FilterTurns(clock))?.select(slowLine));
    await clock.runUntilSettled(() => selecting);
    await expect(selecting).rejects.toMatchObject({ code: 'FILTER_TOO_SLOW' });
    expect(clock.pauses.length).toBeGreaterThanOrEqual(2);
  });

  it('takes the processor for a moment at a time, also when it is asked for again', async () => {
    const clock = new SteppedClock();
    const turns = new FilterTurns(clock);
    for (let request = 0; request < 2; request++) {
      const longestMs = await clock.runUntilSettled(() => lineFilter(SLOW, turns)?.select(slowLine));
      expect(longestMs).toBeLessThan(TURN_PROCESSOR_MS_MAX);
    }
  });

  it('makes other new ones wait, and not those that have shown that they are quick', async () => {
    const clock = new SteppedClock();
    const turns = new FilterTurns(clock);
    const quick = lineFilter({ pattern: 'b{40}' }, turns);
    await clock.runUntilSettled(() => quick?.select(slowLine));
    expect(clock.pauses).toEqual([]);
    const slow = Promise.resolve(lineFilter(SLOW, turns)?.select(slowLine));
    const judged = expect(slow).rejects.toMatchObject({ code: 'FILTER_TOO_SLOW' });
    const isResting = async (): Promise<void> => {
      while (!turns.isResting) {
        await clock.runUntilSettled(() => undefined);
      }
    };
    await isResting();
    let isDone = false;
    const other = Promise.resolve(quick?.select(slowLine)).then(() => {
      isDone = true;
    });
    await clock.runUntilSettled(() => other);
    expect(isDone).toBe(true);
    const late = Promise.resolve(lineFilter({ pattern: 'c' }, turns)?.select(slowLine));
    await clock.runUntilSettled(() => Promise.all([late, judged]));
    expect(await late).toBeNull();
  });

  it('does not keep short lines from being filtered meanwhile', async () => {
    const clock = new SteppedClock();
    const turns = new FilterTurns(clock);
    turns.rest(1_000);
    expect(await lineFilter(SLOW, turns)?.select(lineOf('aaa'))).toBeNull();
    expect(clock.pauses).toEqual([]);
  });
});

describe('a viewer that went away', () => {
  it('leaves no filter at work behind', async () => {
    const clock = new SteppedClock();
    const gone = new AbortController();
    const lines = manyLines(SLOW_TEXT);
    const selecting = Promise.resolve(lineFilter(SLOW, new FilterTurns(clock))?.select(lines, gone.signal));
    const judged = expect(selecting).rejects.toBeInstanceOf(ReadingAborted);
    gone.abort();
    await clock.runUntilSettled(() => selecting);
    await judged;
  });
});

describe('text that is hard to search for', () => {
  const hard = `${'a'.repeat(26)}b${'a'.repeat(997)}`;

  it('is refused as a keyword, folded too', () => {
    expect(() => lineFilter({ keywords: [hard] })).toThrow(/^keywords has a value longer than 250 characters$/);
    expect(() => lineFilter({ keywords: ['İ'.repeat(200)] })).toThrow(/^keywords has a value longer than 250/);
    expect(lineFilter({ keywords: ['a'.repeat(250)] })).not.toBeNull();
  });

  it.each(['roles', 'userIds'] as const)('is not searched for among %s', async (field) => {
    const lines = lineOf('a'.repeat(1 << 20));
    const search = vi.spyOn(lines.bytes, 'includes');
    expect(await lineFilter({ [field]: [hard] })?.select(lines)).toBeNull();
    expect(await lineFilter({ [field]: Array.from({ length: 100 }, (_, i) => `u${i}`) })?.select(lines)).toBeNull();
    expect(search).not.toHaveBeenCalled();
    expect(await lineFilter({ [field]: ['nobody'] })?.select(lines)).toBeNull();
    expect(search).toHaveBeenCalledOnce();
  });
});
