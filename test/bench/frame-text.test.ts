import { describe, expect, it } from 'vitest';
import { Dice } from '../../bench/support/dice.js';
import { frameText } from '../../bench/support/frame-text.js';

describe('the text of a frame', () => {
  it.each(['ascii', 'cjk', 'quotes'] as const)('has the length that was asked for, of %s', (kind) => {
    for (const bytes of [100, 1024, 16_384, 1 << 20]) {
      const text = frameText({ kind, bytes }, new Dice(1, 2, 3), 2, 3);
      // A character of four bytes may not fit any more.
      expect(Buffer.byteLength(text)).toBeGreaterThan(bytes - 4);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(bytes);
      expect(text.startsWith('2.3 ')).toBe(true);
      expect(text).not.toContain('�');
      expect(frameText({ kind, bytes }, new Dice(1, 2, 3), 2, 3)).toBe(text);
    }
  });

  it('is varied where it is real: no line of a thousand is the rule', () => {
    const texts = Array.from({ length: 1000 }, (_, index) =>
      frameText({ kind: 'real' }, new Dice(1, 0, index), 0, index),
    );
    expect(new Set(texts.map((text) => text.slice(text.indexOf(' ')))).size).toBeGreaterThan(500);
  });
});
