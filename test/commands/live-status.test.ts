import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { humanBytes, humanElapsed, humanLines } from '../../src/commands/human-units.js';
import { fitted, LiveStatus, truncate } from '../../src/commands/live-status.js';
import { CommandRun } from './command-run.js';

describe('the live status', () => {
  it('is cut to the width of the terminal with an ellipsis', () => {
    expect(truncate('build · 5 lines', 15)).toBe('build · 5 lines');
    expect(truncate('build · 5 lines', 10)).toBe('build · 5…');
    expect(truncate('日本語', 6)).toBe('日本語');
    expect(truncate('日本語x', 6)).toBe('日本…');
  });

  it('shortens the name, and never the counts', () => {
    const parts = ['2m05s', '5,231 lines', '1.2 MiB', 'running'];
    expect(fitted({ name: 'build', parts }, 79)).toBe('build · 2m05s · 5,231 lines · 1.2 MiB · running');
    expect(fitted({ name: 'n'.repeat(200), parts }, 50)).toBe('nnnnnnn… · 2m05s · 5,231 lines · 1.2 MiB · running');
    expect(fitted({ name: 'n'.repeat(200), parts }, 38)).toBe('5,231 lines · 1.2 MiB · running');
  });

  it('is drawn anew when the terminal changes its width, also where that has wrapped it', () => {
    const { stderr } = new CommandRun({ isTerminal: true, columns: 30 });
    const status = new LiveStatus(stderr, () => ({ name: 'session', parts: ['5 lines', 'running'] }));
    stderr.emit('resize');
    stderr.columns = 20;
    stderr.emit('resize');
    status.end();
    expect(stderr.text.split('\r')).toEqual([
      '',
      '\u001b[2Ksession · 5 lines · running',
      '\u001b[1A\u001b[J',
      '\u001b[2K5 lines · running',
      '\u001b[2K',
    ]);
    expect(stderr.listenerCount('resize')).toBe(0);
  });

  it('is never wider than the terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 40 }), (line, columns) => {
        let width = 0;
        for (const char of truncate(line, columns)) {
          width += char <= '~' || char === '…' || char === '·' ? 1 : 2;
        }
        expect(width).toBeLessThanOrEqual(columns);
      }),
    );
  });

  it('says figures as people read them', () => {
    expect([1, 5231].map(humanLines)).toEqual(['1 line', '5,231 lines']);
    expect([0, 1023, 1024, 1_258_291, 67_108_864, 1023.99 * 1024].map(humanBytes)).toEqual([
      '0 B',
      '1023 B',
      '1 KiB',
      '1.2 MiB',
      '64 MiB',
      '1024 KiB',
    ]);
    expect([0, 59_999, 125_000, 3_723_000].map(humanElapsed)).toEqual(['0s', '59s', '2m05s', '1h02m']);
  });
});
