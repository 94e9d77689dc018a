import * as fc from 'fast-check';
import * as wire from './wire-writer.js';

/** Bytes that meet every branch of a UTF-8 decoder: soups of lead bytes, continuations, and their bounds. */
export const utf8Soup: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(...Buffer.from('001f20225c7e7f8085888f909fa0a8a9bfc0c1c2dfe0e2edeff0f1f4f5ff', 'hex')),
    ),
    { maxLength: 24 },
  )
  .map((bytes) => Buffer.from(bytes));

/** All of Unicode, with what has to be escaped, in bytes; sometimes no UTF-8. */
export const text: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 40 }).map((string) => Buffer.from(string)) },
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }).map((string) => Buffer.from(string)) },
  {
    weight: 2,
    arbitrary: fc
      .array(
        fc.constantFrom(
          'a',
          '"',
          '\\',
          '\n',
          '\r',
          '\t',
          '\b',
          '\f',
          '\0',
          '\x1b',
          '\x7f',
          '\u0080',
          '\u0085',
          '\u009f',
          '\u00a0',
          '\u07ff',
          '\u0800',
          '\u2027',
          '\u2028',
          '\u2029',
          '\u202a',
          '\ud7ff',
          '\ue000',
          '\ufeff',
          '\ufffd',
          '\uffff',
          '\u{10000}',
          '\u{10ffff}',
          '漢字',
          '🚀',
        ),
        { maxLength: 30 },
      )
      .map((parts) => Buffer.from(parts.join(''))),
  },
  { weight: 2, arbitrary: utf8Soup },
  { weight: 1, arbitrary: fc.tuple(text0(), utf8Soup).map(([clean, soup]) => Buffer.concat([clean, soup, clean])) },
);

function text0(): fc.Arbitrary<Buffer> {
  return fc.nat({ max: 9000 }).map((length) => Buffer.alloc(length, 'clean run of ascii '));
}

const key: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .constantFrom('', 'a', 'b', 'level', '__proto__', 'constructor', '1', '0', 'a\n', '漢', '\ufffd')
    .map((string) => Buffer.from(string)),
  // All of these become the same key.
  fc.constantFrom([0xff], [0xc0], [0x80]).map((bytes) => Buffer.from(bytes)),
  text,
);

export const number: fc.Arbitrary<number> = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(
    0,
    -0,
    Number.NaN,
    Infinity,
    -Infinity,
    0.1,
    1e21,
    1e-7,
    5e-324,
    1.7976931348623157e308,
    2 ** 53,
    -(2 ** 53),
    999,
    1000,
    999_999,
    1e6,
    999_999_999,
    1e9,
    2 ** 31,
    2 ** 32,
  ),
);

export const unknownField: fc.Arbitrary<Buffer> = fc.integer({ min: 11, max: 2 ** 29 - 1 }).chain((field) =>
  fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((payload) => wire.varintField(field, payload)),
    fc.uint8Array({ minLength: 8, maxLength: 8 }).map((payload) => wire.fixed64Field(field, payload)),
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map((payload) => wire.fixed32Field(field, payload)),
    fc.uint8Array({ maxLength: 200 }).map((payload) => wire.delimited(field, payload)),
    fc
      .uint8Array({ maxLength: 20 })
      .map((payload) => wire.group(field, wire.delimited(12, payload), wire.group(7, wire.varintField(3, 1)))),
  ),
);

const { struct } = fc.letrec<{ value: Buffer; struct: Buffer }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(wire.value.null()),
    fc.constant(Buffer.alloc(0)),
    number.map((item) => wire.value.number(item)),
    text.map((item) => wire.value.string(item)),
    fc.boolean().map((item) => wire.value.bool(item)),
    tie('struct').map((item) => wire.delimited(5, item)),
    fc.array(tie('value'), { maxLength: 6 }).map((items) => wire.value.list(...items)),
    // Several kinds, and fields of a later Value.
    fc.array(fc.oneof(tie('value'), unknownField), { minLength: 2, maxLength: 3 }).map((items) => wire.join(...items)),
  ),
  struct: fc
    .array(
      fc.oneof(
        { weight: 8, arbitrary: fc.tuple(key, tie('value')).map(([name, item]) => wire.entry(name, item)) },
        {
          weight: 1,
          arbitrary: fc
            .tuple(key, tie('value'))
            .map(([name, item]) => wire.delimited(1, wire.join(wire.delimited(2, item), wire.delimited(1, name)))),
        },
        { weight: 1, arbitrary: key.map((name) => wire.delimited(1, wire.delimited(1, name))) },
        { weight: 1, arbitrary: tie('value').map((item) => wire.delimited(1, wire.delimited(2, item))) },
        {
          weight: 1,
          arbitrary: fc
            .tuple(key, tie('value'), unknownField)
            .map(([name, item, other]) =>
              wire.delimited(
                1,
                wire.join(wire.delimited(1, 'x'), other, wire.delimited(1, name), wire.delimited(2, item)),
              ),
            ),
        },
        { weight: 1, arbitrary: unknownField },
      ),
      { maxLength: 8 },
    )
    .map((fields) => wire.join(...fields)),
}));

const seconds: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: -62135596800n, max: 253402300799n }),
  fc.bigInt({ min: -100n, max: 100n }),
  fc.bigInt({ min: 1_700_000_000n, max: 1_800_000_000n }),
  fc.constantFrom(-62135596800n, 253402300799n, -1n, 0n, 951_782_400n, -2_203_891_200n),
);

const nanos: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 999_999_999 }),
  fc.integer({ min: 0, max: 999 }).map((millis) => millis * 1_000_000),
  fc.integer({ min: 0, max: 999_999 }).map((micros) => micros * 1000),
  fc.constantFrom(0, 1, 999_999_999, 100_000_000, 10),
);

const time: fc.Arbitrary<Buffer> = fc.oneof(
  fc.tuple(seconds, nanos).map(([second, nano]) => wire.timestamp(second, nano)),
  nanos.map((nano) => wire.varintField(2, nano)),
  seconds.map((second) => wire.varintField(1, second)),
  fc.constant(Buffer.alloc(0)),
);

const count: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
  fc.constantFrom(0n, 1n, 999n, 1000n, 2n ** 31n, 2n ** 32n, 2n ** 53n - 1n),
);

const anyField: fc.Arbitrary<Buffer> = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map((item) => wire.varintField(1, item)),
  time.map((item) => wire.delimited(2, item)),
  text.map((item) => wire.delimited(4, item)),
  text.map((item) => wire.delimited(5, item)),
  count.map((item) => wire.varintField(6, item)),
  text.map((item) => wire.delimited(7, item)),
  struct.map((item) => wire.delimited(8, item)),
  text.filter((bytes) => bytes.length <= 256).map((item) => wire.delimited(9, item)),
  count.map((item) => wire.varintField(10, item)),
  unknownField,
);

const sessionId = text.filter((bytes) => bytes.length > 0 && bytes.length <= 1024);

/** Frames that can be stored: each field absent, present or repeated, in any order, among unknown ones. */
export const storableFrame: fc.Arbitrary<Buffer> = fc
  .tuple(fc.array(anyField, { maxLength: 14 }), fc.array(anyField, { maxLength: 3 }), sessionId)
  .map(([before, after, id]) => wire.join(...before, wire.delimited(3, id), ...after));

/** Frames of which some cannot be stored. */
export const anyFrame: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: anyField },
      { weight: 3, arbitrary: sessionId.map((id) => wire.delimited(3, id)) },
      {
        weight: 1,
        arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((item) => wire.varintField(6, item)),
      },
      {
        weight: 1,
        arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((item) => wire.varintField(10, item)),
      },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer())
          .map(([second, nano]) => wire.delimited(2, wire.timestamp(second, nano))),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }).map((bytes) => wire.delimited(8, bytes)) },
      { weight: 1, arbitrary: text.map((bytes) => wire.delimited(9, bytes)) },
    ),
    { maxLength: 10 },
  )
  .map((fields) => wire.join(...fields));

/** A frame with some of its bytes changed, taken out or put in. */
export const mutatedFrame: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.oneof(storableFrame, anyFrame).filter((frame) => frame.length > 0),
    fc.array(fc.tuple(fc.constantFrom('set', 'delete', 'insert', 'cut'), fc.nat(), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([frame, changes]) => {
    let bytes = frame;
    for (const [change, where, byte] of changes) {
      const at = where % (bytes.length + 1);
      const tail = change === 'set' || change === 'delete' ? bytes.subarray(at + 1) : bytes.subarray(at);
      bytes =
        change === 'cut'
          ? bytes.subarray(0, at)
          : Buffer.concat([bytes.subarray(0, at), change === 'delete' ? Buffer.alloc(0) : Buffer.of(byte), tail]);
    }
    return Buffer.from(bytes);
  });
