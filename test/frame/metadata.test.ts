import { describe, expect, it } from 'vitest';
import { METADATA_DEPTH_MAX } from '../../src/frame/limits.js';
import { encode, encodeLine } from './encode.js';
import * as wire from './wire-writer.js';

const SESSION = wire.delimited(3, 's');
const MALFORMED = { field: 'metadata', reason: 'is not a valid google.protobuf.Struct message' };
const TOO_DEEP = { field: 'metadata', reason: 'is nested more than 100 messages deep' };

function frameWith(...entries: readonly Uint8Array[]): Buffer {
  return frameOf(entries);
}

function frameOf(entries: readonly Uint8Array[]): Buffer {
  return wire.join(SESSION, wire.delimited(8, Buffer.concat(entries)));
}

/** The metadata as it stands in the line. */
function metadataLine(...entries: readonly Uint8Array[]): string {
  const line = encodeLine(frameWith(...entries));
  return line.slice(line.indexOf(',"metadata":') + 12, -2);
}

function valueLine(item: Uint8Array): string {
  return metadataLine(wire.entry('v', item)).slice(5, -1);
}

describe('metadata', () => {
  it('is an object of its own kinds', () => {
    expect(
      metadataLine(
        wire.entry('null', wire.value.null()),
        wire.entry('number', wire.value.number(1.5)),
        wire.entry('string', wire.value.string('"x"')),
        wire.entry('yes', wire.value.bool(true)),
        wire.entry('no', wire.value.bool(false)),
        wire.entry(
          'struct',
          wire.value.struct(wire.entry('a', wire.value.number(1)), wire.entry('b', wire.value.struct())),
        ),
        wire.entry(
          'list',
          wire.value.list(wire.value.null(), wire.value.list(), wire.value.string(''), wire.value.number(2)),
        ),
      ),
    ).toBe(
      '{"null":null,"number":1.5,"string":"\\"x\\"","yes":true,"no":false,"struct":{"a":1,"b":{}},"list":[null,[],"",2]}',
    );
  });

  it('is an empty object when it is there and empty, and no key when it is absent', () => {
    expect(metadataLine()).toBe('{}');
    expect(encodeLine(SESSION)).not.toContain('metadata');
  });

  it.each([
    [0, '0'],
    [-0, '-0'],
    [7, '7'],
    [-7, '-7'],
    [1000, '1000'],
    [2 ** 31, '2147483648'],
    [-(2 ** 32), '-4294967296'],
    [2 ** 53 - 1, '9007199254740991'],
    [2 ** 53, '9007199254740992'],
    [1e20, '100000000000000000000'],
    [1e21, '1e+21'],
    [0.1, '0.1'],
    [-1.25e-7, '-1.25e-7'],
    [5e-324, '5e-324'],
    [-1.7976931348623157e308, '-1.7976931348623157e+308'],
    [Number.NaN, '"NaN"'],
    [Infinity, '"Infinity"'],
    [-Infinity, '"-Infinity"'],
  ])('has the number %d as %s', (number, json) => {
    expect(valueLine(wire.value.number(number))).toBe(json);
  });

  it('has NaN of every bit pattern as "NaN"', () => {
    for (const pattern of ['ffffffffffffffff', '010000000000f07f', '000000000000f87f', '000000000000f8ff']) {
      expect(valueLine(wire.fixed64Field(2, Buffer.from(pattern, 'hex')))).toBe('"NaN"');
    }
  });

  it('takes the last kind of a Value, and null for none', () => {
    expect(valueLine(wire.join(wire.value.string('a'), wire.value.number(1)))).toBe('1');
    expect(valueLine(wire.join(wire.value.number(1), wire.value.bool(true), wire.value.string('a')))).toBe('"a"');
    expect(valueLine(wire.join(wire.value.bool(true), wire.varintField(7, 0)))).toBe('true');
    expect(valueLine(Buffer.alloc(0))).toBe('null');
    expect(valueLine(wire.varintField(99, 1))).toBe('null');
  });

  it('reads every true, and every null', () => {
    expect(valueLine(wire.varintField(4, 2n ** 40n))).toBe('true');
    expect(valueLine(wire.join(wire.tag(4, 0), wire.paddedVarint(0, 9)))).toBe('false');
    expect(valueLine(wire.varintField(1, 77))).toBe('null');
  });

  it('has a key once: where it came first, with the value that came last', () => {
    const one = wire.value.number(1);
    const two = wire.value.number(2);
    expect(metadataLine(wire.entry('a', one), wire.entry('b', one), wire.entry('a', two))).toBe('{"a":2,"b":1}');
    expect(metadataLine(wire.entry('', one), wire.delimited(1, wire.delimited(2, two)))).toBe('{"":2}');
    expect(metadataLine(wire.entry('10', one), wire.entry('9', one), wire.entry('10', two))).toBe('{"10":2,"9":1}');
    expect(metadataLine(wire.entry('__proto__', one), wire.entry('__proto__', two))).toBe('{"__proto__":2}');
  });

  it('takes keys for equal that are equal in the line', () => {
    const one = wire.value.number(1);
    expect(metadataLine(wire.entry(Buffer.of(0xff), one), wire.entry(Buffer.of(0xc0), wire.value.null()))).toBe(
      '{"\ufffd":null}',
    );
    expect(metadataLine(wire.entry('\ufffd', one), wire.entry(Buffer.of(0xe2, 0x80), wire.value.null()))).toBe(
      '{"\ufffd":null}',
    );
    expect(metadataLine(wire.entry('é', one), wire.entry('e\u0301', one))).toBe('{"é":1,"e\u0301":1}');
  });

  it('tells keys apart that differ in one byte, at any length', () => {
    for (let length = 1; length < 20; length++) {
      const keys = Array.from({ length }, (_, at) => `${'k'.repeat(at)}!${'k'.repeat(length - at - 1)}`);
      const json: object = JSON.parse(metadataLine(...keys.map((key) => wire.entry(key, wire.value.null()))));
      expect(Object.keys(json)).toEqual(keys);
    }
  });

  it('has "" for a key that is missing and null for a value that is', () => {
    expect(metadataLine(wire.delimited(1, ''))).toBe('{"":null}');
    expect(metadataLine(wire.delimited(1, wire.delimited(2, wire.value.number(3))))).toBe('{"":3}');
    expect(metadataLine(wire.delimited(1, wire.delimited(1, 'k')))).toBe('{"k":null}');
  });

  it('takes the last key and value of one entry, and steps over unknown fields', () => {
    const parts = wire.join(
      wire.delimited(2, wire.value.number(1)),
      wire.delimited(1, 'first'),
      wire.varintField(3, 1),
      wire.delimited(1, 'last'),
      wire.group(4, wire.varintField(1, 1)),
      wire.delimited(2, wire.value.number(2)),
    );
    expect(metadataLine(wire.fixed32Field(2, Buffer.alloc(4)), wire.delimited(1, parts))).toBe('{"last":2}');
  });

  it('reads long keys and values, whose lengths take more than a byte', () => {
    for (const length of [120, 126, 127, 128, 129, 300, 5000]) {
      const text = 'x'.repeat(length);
      expect(metadataLine(wire.entry(text, wire.value.string('v')), wire.entry('k', wire.value.string(text)))).toBe(
        `{"${text}":"v","k":"${text}"}`,
      );
    }
  });

  it('reads many keys in time that follows their number', () => {
    const entries = Array.from({ length: 100_000 }, (_, key) =>
      wire.entry(String(key % 60_000), wire.value.bool(key >= 60_000)),
    );
    const frame = frameOf(entries);
    const started = performance.now();
    const { metadata }: { metadata: Record<string, boolean> } = JSON.parse(encodeLine(frame));
    // Quadratic would be minutes.
    expect(performance.now() - started).toBeLessThan(5000);
    expect(Object.keys(metadata)).toHaveLength(60_000);
    expect([metadata['0'], metadata['39999'], metadata['40000']]).toEqual([true, true, false]);
  });

  it('reads many objects with many keys in time that follows their bytes', () => {
    const struct = wire.value.struct(
      ...Array.from({ length: 250 }, (_, key) => wire.entry(`k${key}`, wire.value.null())),
    );
    const frame = frameWith(wire.entry('list', wire.value.list(...Array.from({ length: 400 }, () => struct))));
    const started = performance.now();
    const { metadata }: { metadata: { list: object[] } } = JSON.parse(encodeLine(frame));
    expect(performance.now() - started).toBeLessThan(5000);
    expect(metadata.list.map((item) => Object.keys(item).length)).toEqual(Array.from({ length: 400 }, () => 250));
  });

  it('is refused when it is nested deeper than 100 messages', () => {
    const lists = (depth: number, innermost = wire.value.null()): Buffer => {
      let item = innermost;
      for (let level = 0; level < depth; level++) {
        item = wire.value.list(item);
      }
      return frameWith(wire.entry('k', item));
    };
    // The Struct and its Value are two; each list is two more.
    const deepest = METADATA_DEPTH_MAX / 2 - 1;
    expect(encode(lists(deepest))).toEqual({
      line: expect.stringContaining(`${'['.repeat(deepest)}null${']'.repeat(deepest)}`),
    });
    expect(encode(lists(deepest + 1))).toEqual(TOO_DEEP);
    expect(encode(lists(deepest, wire.value.list()))).toEqual(TOO_DEEP);
    expect(encode(lists(deepest, wire.value.struct()))).toEqual(TOO_DEEP);
    expect(encode(lists(2000))).toEqual(TOO_DEEP);
  });

  it('closes 49 nested objects behind a string of any length', () => {
    for (const length of [0, 1, 3, 4095, 4096, 4097]) {
      const text = '\u0001'.repeat(length);
      let item = wire.value.string(text);
      let expected = `"${'\\u0001'.repeat(length)}"`;
      for (let level = 0; level < 49; level++) {
        item = wire.value.struct(wire.entry('k', item));
        expected = `{"k":${expected}}`;
      }
      expect(metadataLine(wire.entry('k', item))).toBe(`{"k":${expected}}`);
    }
  });

  it.each([
    ['a truncated tag', [Buffer.of(0x80)]],
    ['an entry past the end', [Buffer.of(10, 5, 0)]],
    ['an entry that is no message', [wire.varintField(1, 1)]],
    ['a truncated unknown field', [wire.tag(2, 1), Buffer.alloc(7)]],
    ['a key past the end of its entry', [wire.delimited(1, Buffer.of(10, 9, 65)), Buffer.alloc(12, 65)]],
    ['a key that is a number', [wire.delimited(1, wire.varintField(1, 1))]],
    ['a value that is a number', [wire.delimited(1, wire.varintField(2, 1))]],
    ['a value past the end of its entry', [wire.delimited(1, Buffer.of(18, 9, 26))]],
    ['a truncated field of an entry', [wire.delimited(1, wire.tag(9, 5))]],
    ['a string past the end of its value', [wire.entry('k', Buffer.of(26, 9, 65))]],
    ['a truncated double', [wire.entry('k', Buffer.of(17, 1, 2, 3))]],
    ['a double as a varint', [wire.entry('k', wire.varintField(2, 1))]],
    ['a string as a double', [wire.entry('k', wire.doubleField(3, 1))]],
    ['a list past the end of its value', [wire.entry('k', Buffer.of(50, 3, 10))]],
    ['a list of numbers', [wire.entry('k', wire.delimited(6, wire.varintField(1, 1)))]],
    ['a truncated value in a list', [wire.entry('k', wire.delimited(6, Buffer.of(10, 3)))]],
    ['a truncated unknown field in a list', [wire.entry('k', wire.delimited(6, wire.tag(2, 5)))]],
    ['a truncated tag in a list', [wire.entry('k', wire.delimited(6, Buffer.of(0x80)))]],
    ['a truncated tag in a value', [wire.entry('k', Buffer.of(0x80))]],
    ['field number 0', [wire.varintField(0, 0)]],
    [
      'a malformed object behind a repeated key',
      [wire.entry('k', wire.value.null()), wire.entry('k', wire.value.null()), Buffer.of(10)],
    ],
    ['a malformed value of a repeated key', [wire.entry('k', wire.value.null()), wire.entry('k', Buffer.of(0x80))]],
    ['a malformed object in an object', [wire.entry('k', wire.value.struct(Buffer.of(10)))]],
  ])('is refused with %s', (_, entries) => {
    expect(encode(frameWith(...entries))).toEqual(MALFORMED);
  });

  it('does not read what is overwritten', () => {
    expect(metadataLine(wire.entry('k', Buffer.of(0x80)), wire.entry('k', wire.value.null()))).toBe('{"k":null}');
    expect(valueLine(wire.join(wire.delimited(5, Buffer.of(0x80)), wire.value.bool(true)))).toBe('true');
    expect(encode(wire.join(frameWith(Buffer.of(0x80)), wire.delimited(8, '')))).toEqual({
      line: expect.stringContaining('"metadata":{}}'),
    });
  });
});
