import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MessageReader } from '../../src/grpc/message-reader.js';

function framed(body: Uint8Array, flag = 0): Buffer {
  const header = Buffer.alloc(5);
  header[0] = flag;
  header.writeUInt32BE(body.length, 1);
  return Buffer.concat([header, body]);
}

describe('MessageReader', () => {
  test('takes any messages out of any chunks, and cuts those over the limit', () => {
    const body = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(
        fc.array(body, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (bodies, sizes) => {
          const limit = 20;
          const wire = Buffer.concat(bodies.map((bytes) => framed(bytes)));
          const reader = new MessageReader(limit);
          const read: Buffer[] = [];
          for (let at = 0, turn = 0; at < wire.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1;
            read.push(...reader.write(wire.subarray(at, at + size)));
            at += size;
          }
          const expected = bodies.map((bytes) => Buffer.from(bytes.subarray(0, limit + 1)).toString('hex'));
          expect(read.map((message) => message.subarray(5).toString('hex'))).toEqual(expected);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('a cut message is not marked as compressed: its beginning would not inflate', () => {
    const reader = new MessageReader(4);
    const [cut, whole] = reader.write(Buffer.concat([framed(Buffer.alloc(10), 1), framed(Buffer.alloc(3), 1)]));
    expect([cut?.[0], cut?.length]).toEqual([0, 10]);
    expect([whole?.[0], whole?.length]).toEqual([1, 8]);
  });

  test('a message over the limit is handed on before its end came, and never kept whole', () => {
    const reader = new MessageReader(100);
    const header = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]);
    expect(reader.write(header)).toEqual([]);
    expect(reader.write(Buffer.alloc(100))).toEqual([]);
    expect(reader.write(Buffer.alloc(1))).toHaveLength(1);
    expect(reader.write(Buffer.alloc(10_000))).toEqual([]);
  });
});
