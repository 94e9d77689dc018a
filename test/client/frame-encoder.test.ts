import fc from 'fast-check';
import * as protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import type { JsonObject, OutgoingFrame } from '../../src/client/frame.js';
import { FrameEncoder } from '../../src/client/frame-encoder.js';

const PROTOS = new URL('../../protos/', import.meta.url).pathname;
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith('google/') ? target : PROTOS + target);
root.loadSync('services/logging/v1/logging.proto', { keepCase: true });
const WriteLogBatch = root.lookupType('logging.v1.WriteLogBatch');

interface DecodedBatch {
  readonly batch_id: number;
  readonly frames: readonly Record<string, unknown>[];
}

function decode(bytes: Buffer): DecodedBatch {
  return WriteLogBatch.toObject(WriteLogBatch.decode(bytes), { longs: Number }) as DecodedBatch;
}

/** What protobufjs makes of Value, back to JSON. */
function jsonOf(value: Record<string, unknown>): unknown {
  const [[kind, content] = []] = Object.entries(value);
  switch (kind) {
    case 'nullValue':
      return null;
    case 'structValue':
      return objectOf(content as { fields?: object });
    case 'listValue':
      return ((content as { values?: Record<string, unknown>[] }).values ?? []).map(jsonOf);
    default:
      return content;
  }
}

function objectOf({ fields = {} }: { fields?: object }): unknown {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, jsonOf(value as Record<string, unknown>)]),
  );
}

/** The frame as protobufjs shows it: what is empty is absent. */
function expected(frame: OutgoingFrame): Record<string, unknown> {
  const fields = {
    version: frame.version,
    session_id: frame.sessionId,
    user_id: frame.userId,
    role: frame.role,
    seq: frame.seq,
    content: frame.content,
    producer_id: frame.producerId,
    producer_seq: frame.producerSeq,
  };
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== '' && value !== 0),
  );
}

const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.constant('é'.repeat(9_000)));
const integer = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 32, 2 ** 53 - 1));
const metadata = fc.dictionary(fc.string({ maxLength: 9 }), fc.jsonValue({ maxDepth: 4 }), { noNullPrototype: true });
const frames = fc.record<OutgoingFrame>(
  {
    sessionId: text,
    content: text,
    seq: integer,
    time: fc.record({ seconds: integer, nanos: fc.integer({ min: 0, max: 999_999_999 }) }),
    userId: text,
    role: text,
    metadata: metadata as fc.Arbitrary<JsonObject>,
    version: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    producerId: text,
    producerSeq: integer,
  },
  { requiredKeys: ['sessionId', 'content'] },
);

describe('FrameEncoder', () => {
  it('writes what protobufjs reads back, field for field', () => {
    fc.assert(
      fc.property(
        fc.array(frames, { minLength: 1, maxLength: 4 }),
        integer.filter((id) => id >= 0),
        (sent, id) => {
          const encoder = new FrameEncoder(id);
          for (const frame of sent) {
            encoder.add(frame, frame.producerId ?? '', frame.producerSeq ?? 0);
          }
          const batch = decode(encoder.take(encoder.length, 1));
          expect(batch.batch_id ?? 0).toBe(id);
          expect(batch.frames).toHaveLength(sent.length);
          sent.forEach((frame, index) => {
            const { metadata: struct, time, ...rest } = batch.frames[index] ?? {};
            expect(rest).toEqual(expected(frame));
            expect(struct === undefined ? undefined : objectOf(struct as object)).toEqual(frame.metadata);
            const { seconds = 0, nanos = 0 } = (time ?? {}) as { seconds?: number; nanos?: number };
            expect(time === undefined ? undefined : { seconds, nanos }).toEqual(frame.time);
          });
        },
      ),
    );
  });

  it('begins the next batch with what stands behind the end of one', () => {
    const encoder = new FrameEncoder(127);
    encoder.add({ sessionId: 's', content: 'one' }, '', 0);
    const end = encoder.length;
    encoder.add({ sessionId: 's', content: 'two'.repeat(100_000) }, '', 0);
    expect(decode(encoder.take(end, 128))).toEqual({ batch_id: 127, frames: [{ session_id: 's', content: 'one' }] });
    encoder.add({ sessionId: 's', content: 'three' }, '', 0);
    expect(decode(encoder.take(encoder.length, 129)).frames.map(({ content }) => content)).toEqual([
      'two'.repeat(100_000),
      'three',
    ]);
  });

  it('adds nothing of a frame whose value has no place in its field', () => {
    const encoder = new FrameEncoder(1);
    encoder.add({ sessionId: 's', content: 'good' }, '', 0);
    const { length } = encoder;
    expect(() => encoder.add({ sessionId: 's', content: 'bad', seq: 1.5 }, '', 0)).toThrow(RangeError);
    let deep: JsonObject = {};
    for (let depth = 0; depth < 100_000; depth++) {
      deep = { deep };
    }
    expect(() => encoder.add({ sessionId: 's', content: 'bad', metadata: deep }, '', 0)).toThrow(RangeError);
    expect(encoder.length).toBe(length);
  });
});
