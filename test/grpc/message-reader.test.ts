import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Inflater } from '../../src/grpc/inflater.js';
import { MessageReader, type MessageSource } from '../../src/grpc/message-reader.js';
import { ReceiveBudget } from '../../src/grpc/receive-budget.js';
import { systemClock } from '../../src/segment/clock.js';

function framed(body: Uint8Array, flag = 0): Buffer {
  const header = Buffer.alloc(5);
  header[0] = flag;
  header.writeUInt32BE(body.length, 1);
  return Buffer.concat([header, body]);
}

const still: MessageSource = { pause: () => undefined, resume: () => undefined };

function newReader(limit: number, budget = new ReceiveBudget(1 << 20, systemClock), source = still): MessageReader {
  return new MessageReader(limit, { budget, inflater: new Inflater() }, 'gzip', source);
}

describe('MessageReader', () => {
  test('hands on what comes in one chunk as one group, each message behind its header; a cut one stands alone', () => {
    const body = fc.uint8Array({ maxLength: 40 });
    const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(body, { maxLength: 20 }), sizes, (bodies, chunks) => {
        const limit = 30;
        const wire = Buffer.concat(bodies.map((bytes) => framed(bytes)));
        const reader = newReader(limit);
        reader.groups = true;
        const read: string[] = [];
        for (let at = 0, turn = 0; at < wire.length; turn++) {
          const size = chunks[turn % chunks.length] ?? 1;
          for (const group of reader.write(wire.subarray(at, at + size))) {
            for (let start = 0; start < group.length; ) {
              const end = start + 5 + group.readUInt32BE(start + 1);
              expect(end <= group.length || start === 0).toBe(true);
              read.push(group.subarray(start + 5, end).toString('hex'));
              start = end;
            }
          }
          at += size;
        }
        expect(read).toEqual(bodies.map((bytes) => Buffer.from(bytes.subarray(0, limit + 1)).toString('hex')));
      }),
      { numRuns: 2000 },
    );
  });

  test('one chunk of many messages is one group', () => {
    const reader = newReader(1000);
    reader.groups = true;
    const wire = Buffer.concat(Array.from({ length: 50 }, () => framed(Buffer.from('frame'))));
    expect(reader.write(wire)).toEqual([wire]);
  });

  test('takes any messages out of any chunks, and cuts those over the limit', () => {
    const body = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(
        fc.array(body, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (bodies, sizes) => {
          const limit = 20;
          const wire = Buffer.concat(bodies.map((bytes) => framed(bytes)));
          const reader = newReader(limit);
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

  test('says of each message whether it is compressed, and hides it from grpc-js', () => {
    const reader = newReader(4);
    const bodies = [
      framed(Buffer.alloc(3)),
      framed(Buffer.alloc(3), 1),
      framed(Buffer.alloc(4)),
      framed(Buffer.alloc(2), 1),
    ];
    const messages = reader.write(Buffer.concat(bodies));
    expect(messages.map((message) => message[0])).toEqual([0, 0, 0, 0]);
    expect(messages.map(() => reader.received())).toEqual([false, true, false, true]);
  });

  test('a cut message does not count as compressed: its beginning would not inflate', () => {
    const reader = newReader(4);
    const [cut] = reader.write(framed(Buffer.alloc(10), 1));
    expect([cut?.[0], cut?.length]).toEqual([0, 10]);
    expect(reader.received()).toBe(false);
  });

  test('what is left when a stream ends inside a message is told', () => {
    const reader = newReader(100);
    const wire = framed(Buffer.alloc(50));
    reader.write(wire.subarray(0, 3));
    expect(reader.isTorn).toBe(true);
    reader.write(wire.subarray(3, 54));
    expect(reader.isTorn).toBe(true);
    expect(reader.write(wire.subarray(54))).toHaveLength(1);
    expect(reader.isTorn).toBe(false);
  });

  test('a message over the limit is handed on before its end came, and never kept whole', () => {
    const reader = newReader(100);
    const header = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]);
    expect(reader.write(header)).toEqual([]);
    expect(reader.write(Buffer.alloc(100))).toEqual([]);
    expect(reader.write(Buffer.alloc(1))).toHaveLength(1);
    expect(reader.write(Buffer.alloc(10_000))).toEqual([]);
  });

  test('a large message claims its memory before it is read on, and gives it back when it is delivered', () => {
    const budget = new ReceiveBudget(150_000, systemClock);
    const reading = [true, true];
    const readers = reading.map((_, index) =>
      newReader(100_000, budget, {
        pause: () => {
          reading[index] = false;
        },
        resume: () => {
          reading[index] = true;
        },
      }),
    );
    const wire = framed(Buffer.alloc(100_000));
    expect(readers.map((reader) => reader.write(wire.subarray(0, 10)))).toEqual([[], []]);
    expect([budget.bytes, ...reading]).toEqual([100_005, true, false]);
    expect(readers[0]?.write(wire.subarray(10))).toHaveLength(1);
    expect([budget.bytes, ...reading]).toEqual([100_005, true, false]);
    readers[0]?.received();
    expect([budget.bytes, ...reading]).toEqual([100_005, true, true]);
    readers[1]?.close();
    expect(budget.bytes).toBe(0);
  });

  test('a message that came in part and is compressed claims what it inflates to as well', async () => {
    const budget = new ReceiveBudget(1 << 20, systemClock);
    const reader = newReader(100_000, budget);
    const body = gzipSync(Buffer.alloc(90_000, 'x'), { level: 0 });
    const wire = framed(body, 1);
    reader.write(wire.subarray(0, 1000));
    expect(budget.bytes).toBe(wire.length + 100_000);
    const [message] = reader.write(wire.subarray(1000));
    expect(reader.received()).toBe(true);
    const inflated = await reader.inflate(message?.subarray(5) ?? Buffer.alloc(0));
    expect(inflated.outcome).toEqual(Buffer.alloc(90_000, 'x'));
    inflated.release();
    expect(budget.bytes).toBe(0);
  });
});
