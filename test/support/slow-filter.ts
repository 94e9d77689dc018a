/** A pattern and a line that use up what a filter may take: the automaton builds a new state for nearly each character. */
export const SLOW_PATTERN = 'a[ab]{400}[cd]';

/** @returns so many of the letters a and b, without an order that the pattern could profit from */
export function slowText(length: number): string {
  return Array.from({ length }, (_, index) => ((((index * index * 2654435761) >>> 13) & 1) === 0 ? 'a' : 'b')).join('');
}
