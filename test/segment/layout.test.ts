import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSegmentName, segmentName, sessionIdOfName, sessionName } from '../../src/segment/layout.js';

describe('session names', () => {
  test.each([
    ['build-42', 'build-42'],
    ['a/b', 'a%2Fb'],
    ['../x', '%2E.%2Fx'],
    ['.', '%2E'],
    ['..', '%2E.'],
    ['.hidden', '%2Ehidden'],
    ['a.b', 'a.b'],
    ['nul\0', 'nul%00'],
    ['sp ace', 'sp%20ace'],
    ['100%', '100%25'],
    ['~', '%7E'],
    ['ä', '%C3%A4'],
    ['A', 'A'],
    ['a', 'a'],
  ])('%j is %s', (id, name) => {
    expect(sessionName(id)).toBe(name);
    expect(sessionIdOfName(name)).toBe(id);
  });

  test('a long id keeps a readable prefix and a hash, within 200 bytes', () => {
    const id = 'x'.repeat(900);
    expect(sessionName(id)).toMatch(/^x{150}~[0-9a-f]{32}$/);
    expect(sessionIdOfName(sessionName(id))).toBeNull();
    expect(sessionName(`${id}y`)).not.toBe(sessionName(id));
  });

  test('a long id is never cut through an encoded byte', () => {
    for (let pad = 0; pad < 6; pad++) {
      const prefix = sessionName(`${'x'.repeat(pad)}${'ä'.repeat(400)}`).split('~')[0] ?? '';
      expect(() => decodeURIComponent(prefix.replace(/(%C3)$/, ''))).not.toThrow();
      expect(prefix).toMatch(/^(?:[A-Za-z0-9_.-]|%[0-9A-F]{2})*$/);
    }
  });

  test('no id becomes a path, ids stay apart, and names are short', () => {
    const id = fc.string({ unit: 'binary', minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(id, id, (one, other) => {
        const name = sessionName(one);
        expect(name).toMatch(/^[A-Za-z0-9_%~-][A-Za-z0-9_.%~-]*$/);
        expect(name.length).toBeLessThanOrEqual(200);
        expect(name === sessionName(other)).toBe(one === other);
        const decoded = sessionIdOfName(name);
        expect(decoded === null || decoded === one).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('segment names', () => {
  test('say seqs and time, and can be read back', () => {
    const name = { firstSeq: 1, lastSeq: 42, sealedAtMs: Date.UTC(2026, 10, 21, 10, 0, 0) };
    expect(segmentName(name)).toBe('0000000000000001-0000000000000042_20261121T100000Z');
    expect(parseSegmentName(`${segmentName(name)}.log.gz`)).toEqual(name);
    expect(parseSegmentName('notes.txt')).toBeNull();
  });

  test('sort by seq', () => {
    const seqs = [1, 9, 10, 99, 12345, Number.MAX_SAFE_INTEGER];
    const names = seqs.map((seq) => segmentName({ firstSeq: seq, lastSeq: seq, sealedAtMs: 0 }));
    expect(names.toSorted()).toEqual(names);
  });
});
