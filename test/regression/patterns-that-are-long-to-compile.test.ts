import { RE2JS } from 're2js';
import { afterEach, expect, test, vi } from 'vitest';
import { LinePattern } from '../../src/reading/line-pattern.js';

afterEach(() => {
  vi.restoreAllMocks();
});

test('a pattern of very many repetitions is refused before it is written out', () => {
  const compile = vi.spyOn(RE2JS, 'compile');
  expect(() => new LinePattern('[^a]{1000}'.repeat(50))).toThrow('repeats too much');
  expect(() => new LinePattern('a{1,1000}'.repeat(5))).toThrow('repeats too much');
  expect(compile).not.toHaveBeenCalled();
  expect(new LinePattern('[^a]{1000}[^b]{1000}').test('x'.repeat(2_000))).toBe(true);
});
