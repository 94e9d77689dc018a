/** Texts, numbers and times of runs against those of LineEncoder, which have tests of their own. */
import { isUtf8 } from 'node:buffer';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GROUP, RunEncoder } from '../../src/frame/run-encoder.js';
import { piece, storedAlike } from './run-harness.js';
import * as wire from './wire-writer.js';

const SESSION = wire.delimited(3, 'build-42');
const runs = new RunEncoder();

/** @returns how many of the frames were taken in runs */
function fastOf(frames: readonly Buffer[]): number {
  return storedAlike(piece(GROUP, frames), GROUP, runs, 4 << 20).fast;
}

const ofText = (content: Buffer | string): Buffer => wire.join(SESSION, wire.delimited(7, content));
const ofNumbers = (numbers: readonly number[]): Buffer =>
  wire.join(SESSION, wire.delimited(8, wire.entry('n', wire.value.list(...numbers.map(wire.value.number)))));

describe('text in runs', () => {
  it('has every character at every place of a vector', () => {
    for (let first = 0; first < 0x110000; first += 0x4000) {
      const characters: string[] = [];
      for (let code = first; code < first + 0x4000; code++) {
        if (code < 0xd800 || code > 0xdfff) {
          characters.push(String.fromCodePoint(code));
        }
      }
      // One after the other: they meet all places; and each behind a run of its own.
      const frames = [ofText(characters.join('')), ofText(characters.map((character) => `x${character}"y`).join(''))];
      expect(fastOf(frames)).toBe(2);
    }
    const special = [
      '"',
      '\\',
      '\n',
      '\0',
      '\x1f',
      '\x7f',
      '\x80',
      '\x9f',
      '\xa0',
      '\u2027',
      '\u2028',
      '\u2029',
      '\u202a',
    ];
    const frames = special.flatMap((character) =>
      Array.from({ length: 70 }, (_, at) => [
        ofText(`${'a'.repeat(at)}${character}${'b'.repeat(70 - at)}`),
        ofText(`${'é'.repeat(at)}${character}`),
        ofText(`${'a'.repeat(at)}${character.repeat(20)}漢`),
      ]).flat(),
    );
    expect(fastOf(frames)).toBe(frames.length);
  });

  it('is taken if and only if it is UTF-8', () => {
    const bytes = Buffer.from('417f80 8f 909fa0bf c1c2 dfe0 e1edefeff0f1f4f5ff'.replaceAll(' ', ''), 'hex');
    for (const [at, behind] of [
      [0, 0],
      [11, 0],
      [13, 3],
      [15, 40],
    ] as const) {
      const texts: Buffer[] = [];
      for (const a of bytes) {
        for (const b of bytes) {
          for (const c of bytes) {
            texts.push(Buffer.from([...Buffer.alloc(at, 'a'), a, b, c, ...Buffer.alloc(behind, 'z')]));
            // The fourth byte matters where four belong together.
            texts.push(Buffer.from([...Buffer.alloc(at, 'a'), 0xf0 | (a & 7), b, c, a, ...Buffer.alloc(behind, 'z')]));
          }
        }
      }
      expect(fastOf(texts.map(ofText))).toBe(texts.filter((text) => isUtf8(text)).length);
    }
  });
});

describe('numbers in runs', () => {
  it('have the digits of String(), and up to 15 of them are taken', () => {
    const digits = fc.integer({ min: 1, max: 15 }).chain((length) => fc.nat({ max: 10 ** length - 1 }));
    const decimal = fc
      .tuple(digits, fc.nat({ max: 15 }), fc.constantFrom(1, -1))
      .map(([whole, places, sign]) => sign * Number(`${whole}e-${places}`));
    fc.assert(
      fc.property(fc.array(decimal, { minLength: 1, maxLength: 20 }), (decimals) => {
        const numbers = decimals.filter((item) => item === 0 || Math.abs(item) >= 1e-6);
        expect(fastOf([ofNumbers(numbers)])).toBe(1);
      }),
      { numRuns: 3000 },
    );
  });

  it('have the digits of String() or are not taken', () => {
    const bits = new DataView(new ArrayBuffer(8));
    // A few representable ones off what has few digits.
    const near = fc
      .tuple(fc.integer(), fc.nat({ max: 12 }), fc.integer({ min: -3, max: 3 }))
      .map(([whole, places, off]) => {
        bits.setFloat64(0, whole / 10 ** places);
        bits.setBigInt64(0, bits.getBigInt64(0) + (whole === 0 ? 0n : BigInt(off)));
        return bits.getFloat64(0);
      });
    const large = fc.double({ min: 1e14, max: 1e17 });
    fc.assert(
      fc.property(fc.oneof(near, large, fc.double()), (item) => {
        fastOf([ofNumbers([item]), ofNumbers([-item])]);
      }),
      { numRuns: 5000 },
    );
  });

  it('go from the least to the greatest', () => {
    const powers = Array.from({ length: 16 }, (_, power) => 10 ** power).flatMap((power) => [
      power - 1,
      power,
      power + 1,
    ]);
    const taken = [
      ...powers,
      2 ** 53 - 1,
      0,
      0.1,
      0.5,
      1e-6,
      0.000001234,
      123456.789,
      99999999999999.9,
      0.30000000000001,
    ];
    expect(fastOf([...taken, ...taken.map((item) => -item)].map((item) => ofNumbers([item])))).toBe(taken.length * 2);
    const left = [2 ** 53, 1e21, 1e300, 9.99e-7, 5e-324, 0.1 + 0.2, 1 / 3, NaN, Infinity, 999999999999999.9];
    expect(fastOf(left.map((item) => ofNumbers([item])))).toBe(0);
  });

  it('number lines, producers and versions of every length', () => {
    const frames = Array.from({ length: 16 }, (_, power) => 10 ** power).flatMap((count) =>
      [count - 1, count, count + 1].map((seq) =>
        wire.join(SESSION, wire.varintField(1, seq % 2 ** 31), wire.varintField(10, seq)),
      ),
    );
    expect(fastOf(frames)).toBe(frames.length);
    const many = Array.from({ length: 100_100 }, () => SESSION);
    expect(fastOf(many)).toBe(many.length);
  });
});

describe('times in runs', () => {
  it('are those of every day until year 9999 and of every part of a second', () => {
    const ofTime = (second: number, nano: number): Buffer =>
      wire.join(SESSION, wire.delimited(2, wire.timestamp(second, nano)));
    const frames: Buffer[] = [];
    for (let day = 0; day < 2_932_897; day += day < 150_000 ? 3 : 101) {
      frames.push(ofTime(day * 86_400 + ((day * 7919) % 86_400), (day * 7_919_131) % 1e9));
    }
    for (let unit = 1; unit < 1e9; unit *= 10) {
      frames.push(...[1, 9, 99, 123, 999].map((count) => ofTime(1, (count * unit) % 1e9)));
    }
    expect(fastOf(frames)).toBe(frames.length);
  });
});
