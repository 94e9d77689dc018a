import * as fc from 'fast-check';
import { anyFrame, mutatedFrame, number, storableFrame, text } from './arbitrary-frame.js';
import * as wire from './wire-writer.js';

const validText: fc.Arbitrary<Buffer> = fc.oneof(
  text.filter((bytes) => Buffer.from(bytes.toString('utf8')).equals(bytes)),
  fc
    .tuple(fc.nat({ max: 40 }), fc.constantFrom('"', '\\', '\n', '\x7f', '\u0085', '\u2028', '\u2027', '漢', '🚀', 'é'))
    .map(([length, last]) => Buffer.from(`${'a'.repeat(length)}${last}${'b'.repeat(length % 7)}`)),
);

const decimal = fc
  .tuple(fc.integer({ min: -999_999_999, max: 999_999_999 }), fc.nat({ max: 9 }))
  .map(([digits, places]) => digits / 10 ** places);

const { value } = fc.letrec<{ value: Buffer }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    validText.map((item) => wire.value.string(item)),
    fc.oneof(number, decimal).map((item) => wire.value.number(item)),
    fc.boolean().map((item) => wire.value.bool(item)),
    fc.constant(wire.value.null()),
    fc
      .array(fc.tuple(validText, tie('value')), { maxLength: 4 })
      .map((entries) => wire.value.struct(...entries.map(([name, item]) => wire.entry(name, item)))),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => wire.value.list(...items)),
  ),
}));

const struct = fc.array(fc.tuple(fc.oneof(fc.constantFrom('level', 'a', 'b', ''), validText), value), { maxLength: 5 });

const SESSIONS = ['build-42', 'b', '漢"字', 'build-43-with-an-id-of-more-than-sixteen-bytes'];
/** The last one is no UTF-8, and known by another id. */
const sessionId = fc.oneof(
  { weight: 40, arbitrary: fc.constant(Buffer.from('build-42')) },
  { weight: 10, arbitrary: fc.constantFrom(...SESSIONS).map((id) => Buffer.from(id)) },
  { weight: 1, arbitrary: fc.constant(Buffer.from('62ff', 'hex')) },
);
const producerId = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('w1', 'w2', 'a-producer-with-a-long-name').map((id) => Buffer.from(id)) },
  { weight: 1, arbitrary: fc.constant(Buffer.from('77ff', 'hex')) },
);

function optional<T>(arbitrary: fc.Arbitrary<T>, field: (item: T) => Buffer): fc.Arbitrary<Buffer> {
  return fc.option(arbitrary.map(field), { nil: Buffer.alloc(0) });
}

const seconds = fc.oneof(fc.integer({ min: 0, max: 253_402_300_799 }), fc.integer({ min: 1.7e9, max: 1.7e9 + 100 }));
const nanos = fc.oneof(
  fc.integer({ min: 0, max: 999_999_999 }),
  fc.integer({ min: 0, max: 999 }).map((millis) => millis * 1_000_000),
  fc.integer({ min: 0, max: 999_999 }).map((micros) => micros * 1000),
);

/** As serializers write frames: nearly all of them are for the fast path. */
const plainFrame: fc.Arbitrary<Buffer> = fc
  .tuple(
    optional(fc.nat({ max: 2 ** 31 - 1 }), (item) => wire.varintField(1, item)),
    optional(fc.tuple(seconds, nanos), ([second, nano]) => wire.delimited(2, wire.timestamp(second, nano))),
    sessionId.map((id) => wire.delimited(3, id)),
    optional(validText, (item) => wire.delimited(4, item)),
    optional(validText, (item) => wire.delimited(5, item)),
    optional(validText, (item) => wire.delimited(7, item)),
    optional(struct, (entries) =>
      wire.delimited(8, wire.join(...entries.map(([name, item]) => wire.entry(name, item)))),
    ),
    optional(fc.tuple(producerId, fc.nat({ max: 12 })), ([id, seq]) =>
      wire.join(wire.delimited(9, id), wire.varintField(10, seq)),
    ),
  )
  .map((fields) => wire.join(...fields));

/** Mostly plain, and all that may stand among such. */
export const runFrame: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 12, arbitrary: plainFrame },
  { weight: 1, arbitrary: storableFrame },
  { weight: 1, arbitrary: anyFrame },
  { weight: 1, arbitrary: mutatedFrame },
);

/** A plain frame with a few bytes changed, of which most still stand where they stood. */
export const damagedFrame: fc.Arbitrary<Buffer> = fc
  .tuple(plainFrame, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 3 }))
  .map(([frame, changes]) => {
    const bytes = Buffer.from(frame);
    for (const [where, byte] of changes) {
      bytes[where % bytes.length] = byte;
    }
    return bytes;
  });
