import { describe, expect, it } from 'vitest';
import { FrameView } from '../../src/frame/frame-view.js';
import * as wire from './wire-writer.js';

const SESSION = wire.delimited(3, 's');

/** The view of a frame that must be valid. */
function parse(...fields: readonly Uint8Array[]): FrameView {
  const view = new FrameView();
  const bytes = wire.join(...fields);
  expect(view.parse(bytes, 0, bytes.length)).toBeNull();
  return view;
}

function problem(...fields: readonly Uint8Array[]): string {
  const bytes = wire.join(...fields);
  const found = new FrameView().parse(bytes, 0, bytes.length);
  return found === null ? 'none' : `${found.field} ${found.reason}`;
}

const NOT_A_FRAME = 'frame is not a valid LogFrame message';
const WRONG_WIRE_TYPE = 'frame has a field of LogFrame in a wrong wire type';
const BAD_TIME = 'time is outside 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z';
const BAD_NANOS = 'time has nanos outside 0 to 999,999,999';

describe('FrameView', () => {
  it('finds every field where it stands', () => {
    const view = new FrameView();
    const metadata = wire.entry('k', wire.value.string('v'));
    const frame = wire.join(
      wire.varintField(1, -2),
      wire.delimited(2, wire.timestamp(-5, 7)),
      wire.delimited(3, 'session'),
      wire.delimited(4, 'user'),
      wire.delimited(5, 'role'),
      wire.varintField(6, 2n ** 53n - 1n),
      wire.delimited(7, 'x'.repeat(300)),
      wire.delimited(8, metadata),
      wire.delimited(9, 'producer'),
      wire.varintField(10, 12),
    );
    const message = wire.join(Buffer.from('before'), frame, Buffer.from('after'));
    expect(view.parse(message, 6, 6 + frame.length)).toBeNull();
    const at = (start: number, end: number): string => message.toString('utf8', start, end);
    expect({
      bytes: view.bytes === message,
      start: view.start,
      end: view.end,
      version: view.version,
      hasTime: view.hasTime,
      seconds: view.seconds,
      nanos: view.nanos,
      sessionId: at(view.sessionIdStart, view.sessionIdEnd),
      userId: at(view.userIdStart, view.userIdEnd),
      role: at(view.roleStart, view.roleEnd),
      seq: view.seq,
      content: at(view.contentStart, view.contentEnd),
      hasMetadata: view.hasMetadata,
      metadata: message.subarray(view.metadataStart, view.metadataEnd).equals(metadata),
      producerId: at(view.producerIdStart, view.producerIdEnd),
      producerSeq: view.producerSeq,
    }).toEqual({
      bytes: true,
      start: 6,
      end: 6 + frame.length,
      version: -2,
      hasTime: true,
      seconds: -5,
      nanos: 7,
      sessionId: 'session',
      userId: 'user',
      role: 'role',
      seq: 2 ** 53 - 1,
      content: 'x'.repeat(300),
      hasMetadata: true,
      metadata: true,
      producerId: 'producer',
      producerSeq: 12,
    });
  });

  it('forgets the frame before', () => {
    const view = new FrameView();
    const full = wire.join(
      SESSION,
      wire.varintField(1, 1),
      wire.delimited(2, wire.timestamp(1, 1)),
      ...[4, 5, 7, 9].map((field) => wire.delimited(field, 'x')),
      wire.delimited(8, ''),
      wire.varintField(6, 1),
      wire.varintField(10, 1),
    );
    expect(view.parse(full, 0, full.length)).toBeNull();
    expect(view.parse(SESSION, 0, SESSION.length)).toBeNull();
    const fresh = new FrameView();
    fresh.parse(SESSION, 0, SESSION.length);
    expect(Object.entries(view).filter(([name]) => name !== 'bytes' && name !== 'end')).toEqual(
      Object.entries(fresh).filter(([name]) => name !== 'bytes' && name !== 'end'),
    );
  });

  it('takes the last of a repeated field, and replaces time whole', () => {
    const view = parse(
      wire.delimited(3, 'first'),
      wire.delimited(2, wire.timestamp(1, 2)),
      wire.delimited(2, wire.varintField(1, 9)),
      wire.varintField(6, 3),
      wire.varintField(6, 4),
      SESSION,
    );
    expect([view.sessionIdEnd - view.sessionIdStart, view.seconds, view.nanos, view.seq]).toEqual([1, 9, 0, 4]);
  });

  it('steps over unknown fields of every wire type', () => {
    const unknown = [
      wire.varintField(11, 2n ** 64n - 1n),
      wire.fixed64Field(12, Buffer.alloc(8, 0xff)),
      wire.delimited(2 ** 29 - 1, Buffer.alloc(200, 0xff)),
      wire.group(
        13,
        wire.group(14, wire.varintField(3, 1)),
        wire.fixed32Field(15, Buffer.alloc(4)),
        wire.delimited(1, 'x'),
      ),
      wire.fixed32Field(16, Buffer.alloc(4, 0xff)),
    ];
    expect(problem(...unknown, SESSION, ...unknown)).toBe('none');
  });

  it('cuts int32 to 32 bits as protobuf does', () => {
    expect(parse(SESSION, wire.varintField(1, 2n ** 32n + 5n)).version).toBe(5);
    expect(parse(SESSION, wire.varintField(1, 2n ** 31n)).version).toBe(-(2 ** 31));
  });

  it('reads varints in more bytes than they need, up to ten', () => {
    expect(parse(SESSION, wire.tag(6, 0), wire.paddedVarint(5, 10)).seq).toBe(5);
    expect(parse(wire.paddedVarint(26, 5), wire.paddedVarint(1, 10), Buffer.from('s')).sessionIdEnd).toBe(16);
    expect(problem(SESSION, wire.tag(6, 0), wire.paddedVarint(5, 11))).toBe(NOT_A_FRAME);
  });

  it.each([
    ['no bytes', []],
    ['no session id', [wire.delimited(7, 'content')]],
    ['an empty session id behind another', [SESSION, wire.delimited(3, '')]],
  ])('refuses %s: session_id is empty', (_, fields) => {
    expect(problem(...fields)).toBe('session_id is empty');
  });

  it('takes a producer_id of 256 bytes and refuses one of 257', () => {
    const session = wire.delimited(3, 's');
    expect(problem(session, wire.delimited(9, 'x'.repeat(256)))).toBe('none');
    expect(problem(session, wire.delimited(9, 'x'.repeat(257)))).toBe('producer_id is longer than 256 bytes');
  });

  it('takes a session id of 1,024 bytes and refuses one of 1,025', () => {
    expect(problem(wire.delimited(3, 'x'.repeat(1024)))).toBe('none');
    expect(problem(wire.delimited(3, 'x'.repeat(1025)))).toBe('session_id is longer than 1,024 bytes');
    expect(problem(wire.delimited(3, 'é'.repeat(513)))).toBe('session_id is longer than 1,024 bytes');
  });

  it.each([
    [6, 'seq'],
    [10, 'producer_seq'],
  ])('refuses field %i outside 0 to 2^53-1', (field, name) => {
    expect(problem(SESSION, wire.varintField(field, 2n ** 53n - 1n))).toBe('none');
    for (const count of [-1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      expect(problem(SESSION, wire.varintField(field, count))).toBe(`${name} is outside 0 to 2^53-1`);
    }
  });

  it('takes time from year 1 to year 9999 and no other', () => {
    const at = (seconds: bigint, nanos: number): string =>
      problem(SESSION, wire.delimited(2, wire.timestamp(seconds, nanos)));
    expect(at(-62135596800n, 0)).toBe('none');
    expect(at(253402300799n, 999_999_999)).toBe('none');
    expect(at(-62135596801n, 999_999_999)).toBe(BAD_TIME);
    expect(at(253402300800n, 0)).toBe(BAD_TIME);
    expect(at(2n ** 63n - 1n, 0)).toBe(BAD_TIME);
    expect(at(0n, 1_000_000_000)).toBe(BAD_NANOS);
    expect(at(0n, -1)).toBe(BAD_NANOS);
  });

  it.each([
    ['a truncated tag', [SESSION, Buffer.of(0x80)]],
    ['a truncated varint', [SESSION, wire.tag(6, 0), Buffer.of(0x80)]],
    ['a varint that is missing', [SESSION, wire.tag(1, 0)]],
    ['a length that is missing', [SESSION, wire.tag(7, 2)]],
    ['a string past the end', [SESSION, wire.tag(7, 2), Buffer.from([5, 65, 66])]],
    ['a length above 32 bits', [SESSION, wire.tag(7, 2), wire.varint(2n ** 32n), Buffer.alloc(8)]],
    ['a negative length', [SESSION, wire.tag(7, 2), wire.varint(-1)]],
    ['a truncated fixed64', [SESSION, wire.tag(11, 1), Buffer.alloc(7)]],
    ['a truncated fixed32', [SESSION, wire.tag(11, 5), Buffer.alloc(3)]],
    ['field number 0', [SESSION, wire.varintField(0, 1)]],
    ['a tag above 32 bits', [SESSION, wire.varint(2n ** 32n + 8n), wire.varint(1)]],
    ['wire type 6', [SESSION, wire.tag(11, 6), Buffer.alloc(8)]],
    ['wire type 7', [SESSION, wire.tag(1, 7), Buffer.alloc(8)]],
    ['the end of no group', [SESSION, wire.tag(11, 4)]],
    ['a group without an end', [SESSION, wire.tag(11, 3), wire.varintField(1, 1)]],
    ['a group with the end of another', [SESSION, wire.tag(11, 3), wire.tag(12, 4)]],
    ['a truncated Timestamp', [SESSION, wire.delimited(2, Buffer.of(8, 0x80))]],
    ['a Timestamp with field number 0', [SESSION, wire.delimited(2, Buffer.of(0, 0))]],
  ])('refuses %s', (_, fields) => {
    expect(problem(...fields)).toBe(NOT_A_FRAME);
  });

  it('refuses a known field in a wrong wire type', () => {
    for (const field of [1, 6, 10]) {
      expect(problem(SESSION, wire.delimited(field, 'x'))).toBe(WRONG_WIRE_TYPE);
    }
    for (const field of [2, 3, 4, 5, 7, 8, 9]) {
      expect(problem(SESSION, wire.varintField(field, 1))).toBe(WRONG_WIRE_TYPE);
      expect(problem(SESSION, wire.fixed32Field(field, Buffer.alloc(4)))).toBe(WRONG_WIRE_TYPE);
      expect(problem(SESSION, wire.fixed64Field(field, Buffer.alloc(8)))).toBe(WRONG_WIRE_TYPE);
      expect(problem(SESSION, wire.group(field))).toBe(WRONG_WIRE_TYPE);
    }
    expect(problem(SESSION, wire.delimited(2, wire.fixed64Field(1, Buffer.alloc(8))))).toBe(WRONG_WIRE_TYPE);
    expect(problem(SESSION, wire.delimited(2, wire.delimited(2, '')))).toBe(WRONG_WIRE_TYPE);
  });

  it('steps over unknown fields of a Timestamp', () => {
    const view = parse(SESSION, wire.delimited(2, wire.join(wire.delimited(3, 'x'), wire.timestamp(8, 9))));
    expect([view.seconds, view.nanos]).toEqual([8, 9]);
  });

  it('follows groups 100 deep and no deeper', () => {
    const nested = (depth: number): Buffer => {
      let inner: Buffer = Buffer.alloc(0);
      for (let level = 0; level < depth; level++) {
        inner = wire.group(11, inner);
      }
      return inner;
    };
    expect(problem(SESSION, nested(100))).toBe('none');
    expect(problem(SESSION, nested(101))).toBe(NOT_A_FRAME);
    expect(problem(SESSION, nested(2000))).toBe(NOT_A_FRAME);
  });
});
