import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../src/commands/line-splitter.js';

function split(chunks: readonly Buffer[], limit: number): Buffer[] {
  const splitter = new LineSplitter(limit);
  const pieces: Buffer[] = [];
  for (const chunk of chunks) {
    pieces.push(...splitter.push(chunk));
  }
  pieces.push(...splitter.flush());
  return pieces;
}

const texts = (pieces: readonly Buffer[]) => pieces.map(String);

/** Bytes that meet the splitter's corners far more often than uniform ones would. */
const bytes = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 6 }).map((array) => Buffer.from(array)),
      fc.constantFrom('\n', '\r\n', '\r', 'é', '€', '😀', '\ufeff', 'word ').map((text) => Buffer.from(text)),
    ),
    { maxLength: 40 },
  )
  .map((parts) => Buffer.concat(parts));

const chunked = fc.tuple(bytes, fc.array(fc.nat(), { maxLength: 20 })).map(([whole, cuts]) => {
  const places = [...new Set(cuts.map((cut) => (whole.length === 0 ? 0 : cut % whole.length)))].toSorted(
    (a, b) => a - b,
  );
  const chunks: Buffer[] = [];
  let from = 0;
  for (const place of [...places, whole.length]) {
    chunks.push(whole.subarray(from, place));
    from = place;
  }
  return { whole, chunks };
});

describe('LineSplitter', () => {
  it('gives each line with its terminator, and the last one without when it has none', () => {
    const pieces = split([Buffer.from('a\nb\r\nc\rd\n\ne')], 100);
    expect(texts(pieces)).toEqual(['a\n', 'b\r\n', 'c\rd\n', '\n', 'e']);
  });

  it('keeps a character whole that arrives in two chunks', () => {
    const euro = Buffer.from('€');
    expect(texts(split([euro.subarray(0, 1), euro.subarray(1)], 100))).toEqual(['€']);
  });

  it('cuts a long line before the character that would pass the limit', () => {
    expect(texts(split([Buffer.from('aé€😀b\n')], 7))).toEqual(['aé€', '😀b\n']);
  });

  it('holds back only the start of a character when it is flushed in a pause', () => {
    const splitter = new LineSplitter(100);
    const euro = Buffer.from('€');
    expect([...splitter.push(Buffer.concat([Buffer.from('$ '), euro.subarray(0, 2)]))]).toEqual([]);
    expect(texts([...splitter.flushCharacters()])).toEqual(['$ ']);
    expect([...splitter.flushCharacters()]).toEqual([]);
    expect(splitter.heldBytes).toBe(2);
    expect(texts([...splitter.push(euro.subarray(2))])).toEqual([]);
    expect(texts([...splitter.flush()])).toEqual(['€']);
  });

  it('concatenates back to exactly the bytes it was given, whatever they are and however they come', () => {
    fc.assert(
      fc.property(chunked, fc.integer({ min: 4, max: 64 }), ({ whole, chunks }, limit) => {
        const pieces = split(chunks, limit);
        expect(Buffer.concat(pieces).equals(whole)).toBe(true);
        for (const piece of pieces) {
          expect(piece.length).toBeGreaterThan(0);
          expect(piece.length).toBeLessThanOrEqual(limit);
          expect(piece.subarray(0, -1).includes(0x0a)).toBe(false);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('never cuts inside a character: the pieces decode to the same text as the whole', () => {
    fc.assert(
      fc.property(chunked, fc.integer({ min: 4, max: 12 }), ({ whole, chunks }, limit) => {
        expect(texts(split(chunks, limit)).join('')).toBe(whole.toString());
      }),
      { numRuns: 5_000 },
    );
  });

  it('gives the same pieces for any chunking', () => {
    fc.assert(
      fc.property(chunked, fc.integer({ min: 4, max: 64 }), ({ whole, chunks }, limit) => {
        expect(texts(split(chunks, limit))).toEqual(texts(split([whole], limit)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes a line of 1 MB byte by byte without copying it over and over', () => {
    const splitter = new LineSplitter(64 * 1024);
    const byte = Buffer.from('x');
    const startedMs = performance.now();
    let pieces = 0;
    for (let i = 0; i < 1_000_000; i++) {
      for (const piece of splitter.push(byte)) {
        pieces += piece.length > 0 ? 1 : 0;
      }
    }
    expect(pieces).toBe(15);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });
});
