import { expect, it } from 'vitest';
import { TimestampWriter } from '../../src/frame/timestamp.js';

const text = Buffer.alloc(40);
const view = new DataView(text.buffer, text.byteOffset, text.byteLength);
const writer = new TimestampWriter();

function write(seconds: number, nanos = 0): string {
  return text.toString('latin1', 0, writer.write(seconds, nanos, view, 0));
}

/** The days on which the writer and Date disagree. */
function wrongDays(first: number, last: number, step: number): number[] {
  const wrong: number[] = [];
  for (let day = first; day <= last; day += step) {
    // A time of day that goes through all of them.
    const seconds = day * 86_400 + ((((day * 7919) % 86_400) + 86_400) % 86_400);
    if (write(seconds) !== new Date(seconds * 1000).toISOString().replace('.000', '')) {
      wrong.push(day);
    }
  }
  return wrong;
}

it('every day of 400 years has its date, leap days included', () => {
  expect(write(-11_676_096_000)).toBe('1600-01-01T00:00:00Z');
  expect(wrongDays(-135_140, -135_140 + 146_097, 1)).toEqual([]);
});

it('every century from year 1 to year 9999 has its dates', () => {
  expect(wrongDays(-719_162, 2_932_896, 29)).toEqual([]);
});

it('every second of a day has its time', () => {
  let wrong = 0;
  for (let second = 0; second < 86_400; second++) {
    wrong += write(-86_400 + second) === `1969-12-31T${new Date(second * 1000).toISOString().slice(11, 19)}Z` ? 0 : 1;
  }
  expect(wrong).toBe(0);
});
