import { describe, expect, it } from 'vitest';
import {
  BATCH,
  DONE,
  FULL,
  GROUP,
  NO_ROOM,
  OTHER_PRODUCER,
  OTHER_SESSION,
  RunEncoder,
  SLOW,
} from '../../src/frame/run-encoder.js';
import { encodeSessionIdJson } from '../../src/frame/session-id.js';
import { encodeLine } from './encode.js';
import { piece, SERVER_TIME_MS, storedAlike } from './run-harness.js';
import * as wire from './wire-writer.js';

const LARGE = 1 << 20;
const SESSION = { idBytes: Buffer.from('s'), idJson: encodeSessionIdJson('s') };
const PLAIN = wire.join(wire.delimited(3, 's'), wire.delimited(7, 'plain'));
const runs = new RunEncoder();

interface Given {
  readonly lastSeq?: number;
  readonly serverTimeMs?: number;
  readonly maxFrameBytes?: number;
  readonly roomBytes?: number;
  readonly producer?: string;
  readonly mark?: number;
}

function run(format: typeof GROUP | typeof BATCH, given: Given = {}, position = 0): number {
  const { lastSeq = 0, serverTimeMs = SERVER_TIME_MS, maxFrameBytes = LARGE, roomBytes = LARGE, mark = 0 } = given;
  const producer = given.producer === undefined ? null : Buffer.from(given.producer);
  return runs.encodeRun(position, format, SESSION, lastSeq, serverTimeMs, maxFrameBytes, roomBytes, producer, mark);
}

function runOf(frames: readonly Buffer[], given: Given = {}): number {
  const bytes = piece(GROUP, frames);
  runs.load(bytes, 0, bytes.length);
  return run(GROUP, given);
}

function lines(): string {
  return runs.output.toString('utf8', 0, runs.outputBytes);
}

const withMetadata = (...fields: Buffer[]): Buffer => wire.join(PLAIN, wire.delimited(8, wire.join(...fields)));
const withValue = (item: Buffer): Buffer => withMetadata(wire.entry('k', item));
const withTime = (...fields: Buffer[]): Buffer => wire.join(PLAIN, wire.delimited(2, wire.join(...fields)));
const keys = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) => wire.entry(`key ${index}`, wire.value.null()));
function nested(depth: number): Buffer {
  return depth === 1 ? wire.entry('k', wire.value.null()) : wire.entry('k', wire.value.struct(nested(depth - 1)));
}
const BROKEN = Buffer.from('61ff62', 'hex');

describe('a run', () => {
  it('stops where the ordinary path has to look', () => {
    const slow: Record<string, Buffer> = {
      'a seq of its own': wire.join(PLAIN, wire.varintField(6, 5)),
      'an unknown field': wire.join(PLAIN, wire.delimited(11, 'new')),
      'an unknown field of two tag bytes': wire.join(PLAIN, wire.delimited(16, 'new')),
      'a repeated field': wire.join(PLAIN, wire.delimited(7, 'again')),
      'a wrong wire type': wire.join(wire.delimited(3, 's'), wire.varintField(7, 1)),
      'a fixed field': wire.join(PLAIN, wire.fixed32Field(1, Buffer.alloc(4))),
      'a group': wire.join(PLAIN, wire.group(12, Buffer.alloc(0))),
      'field number 0': wire.join(PLAIN, Buffer.of(0, 0)),
      'a cut varint': wire.join(PLAIN, Buffer.of(0x08, 0x80)),
      'a length past the end': wire.join(PLAIN, Buffer.of(0x22, 5, 0x61)),
      'a length of five bytes': wire.join(
        wire.delimited(3, 's'),
        Buffer.of(0x3a),
        wire.paddedVarint(1, 5),
        PLAIN.subarray(0, 1),
      ),
      'a negative version': wire.join(PLAIN, wire.varintField(1, -1)),
      'a version above 31 bits': wire.join(PLAIN, wire.varintField(1, 2 ** 31)),
      'nanos before seconds': withTime(wire.varintField(2, 1), wire.varintField(1, 1)),
      'a time before 1970': withTime(wire.varintField(1, -1)),
      'a time after year 9999': withTime(wire.varintField(1, 253_402_300_800)),
      'a whole second of nanos': withTime(wire.varintField(2, 1_000_000_000)),
      'a field in the time': withTime(wire.varintField(3, 1)),
      'no session': wire.delimited(7, 'plain'),
      'a session id of 1,025 bytes': wire.delimited(3, 's'.repeat(1025)),
      'a session id that is no UTF-8': wire.delimited(3, BROKEN),
      'a producer id of 257 bytes': wire.join(PLAIN, wire.delimited(9, 'w'.repeat(257))),
      'a producer id that is no UTF-8': wire.join(PLAIN, wire.delimited(9, BROKEN), wire.varintField(10, 1)),
      'such a one without a number': wire.join(PLAIN, wire.delimited(9, BROKEN)),
      'a producer_seq above 2^53-1': wire.join(PLAIN, wire.varintField(10, 2n ** 53n)),
      'a user id that is no UTF-8': wire.join(PLAIN, wire.delimited(4, BROKEN)),
      'a role that is no UTF-8': wire.join(PLAIN, wire.delimited(5, BROKEN)),
      'content that is no UTF-8': wire.join(wire.delimited(3, 's'), wire.delimited(7, BROKEN)),
      'metadata with a key twice': withMetadata(nested(1), nested(1)),
      'metadata with keys of equal hash': withMetadata(
        wire.entry('12345678-87654321', wire.value.null()),
        wire.entry('12345678+87654321', wire.value.null()),
      ),
      'metadata of 65 keys': withMetadata(...keys(65)),
      'metadata with a field besides': withMetadata(nested(1), wire.varintField(2, 1)),
      'a value before its key': withMetadata(
        wire.delimited(1, wire.join(wire.delimited(2, wire.value.null()), wire.delimited(1, 'k'))),
      ),
      'a key without a value': withMetadata(wire.delimited(1, wire.delimited(1, 'k'))),
      'a value without a key': withMetadata(wire.delimited(1, wire.delimited(2, wire.value.null()))),
      'an empty entry': withMetadata(wire.delimited(1, '')),
      'an entry longer than the metadata': withMetadata(Buffer.of(0x0a, 9, 0x0a, 1)),
      'a field behind the value': withMetadata(
        wire.delimited(
          1,
          wire.join(wire.delimited(1, 'k'), wire.delimited(2, wire.value.null()), wire.varintField(3, 1)),
        ),
      ),
      'a key that is no UTF-8': withMetadata(wire.entry(BROKEN, wire.value.null())),
      'a value of no kind': withValue(Buffer.alloc(0)),
      'a value of two kinds': withValue(wire.join(wire.value.null(), wire.value.bool(true))),
      'a value of an unknown kind': withValue(wire.varintField(7, 1)),
      'a text value that is no UTF-8': withValue(wire.value.string(BROKEN)),
      'a bool of 2': withValue(wire.varintField(4, 2)),
      'a null of 1': withValue(wire.varintField(1, 1)),
      'a list with another field': withValue(wire.delimited(6, wire.varintField(2, 1))),
      'a list item past the end': withValue(wire.delimited(6, Buffer.of(0x0a, 4, 0x08))),
      NaN: withValue(wire.value.number(Number.NaN)),
      Infinity: withValue(wire.value.number(-Infinity)),
      'a number of 17 digits': withValue(wire.value.number(0.1 + 0.2)),
      'a large number': withValue(wire.value.number(2 ** 53)),
      'a small number': withValue(wire.value.number(1e-7)),
      'metadata 17 objects deep': withMetadata(nested(17)),
      'a frame above the limit': wire.join(wire.delimited(3, 's'), wire.delimited(7, 'x'.repeat(2000))),
    };
    for (const [name, frame] of Object.entries(slow)) {
      for (const format of [GROUP, BATCH] as const) {
        const bytes = piece(format, [PLAIN, frame, PLAIN]);
        runs.load(bytes, 0, bytes.length);
        expect(run(format, { maxFrameBytes: 1900 }), name).toBe(SLOW);
        expect(runs.position, name).toBe(piece(format, [PLAIN]).length);
        expect(lines(), name).toBe(encodeLine(PLAIN, 1, SERVER_TIME_MS));
        storedAlike(bytes, format, runs, 1900);
      }
    }
  });

  it('stops where the framing, the numbers or the clock are not plain', () => {
    const compressed = piece(GROUP, [PLAIN, PLAIN]);
    compressed[piece(GROUP, [PLAIN]).length] = 1;
    for (const [bytes, format] of [
      [compressed, GROUP],
      [wire.join(piece(BATCH, [PLAIN]), wire.varintField(1, 7)), BATCH],
      [wire.join(piece(BATCH, [PLAIN]), Buffer.of(0x12), wire.paddedVarint(PLAIN.length, 5), PLAIN), BATCH],
    ] as const) {
      runs.load(bytes, 0, bytes.length);
      expect(run(format)).toBe(SLOW);
      expect(runs.stored).toBe(1);
    }
    expect(runOf([PLAIN, PLAIN], { lastSeq: Number.MAX_SAFE_INTEGER - 1 })).toBe(SLOW);
    expect([runs.stored, runs.lastSeq]).toEqual([1, Number.MAX_SAFE_INTEGER]);
    for (const serverTimeMs of [Number.NaN, 253_402_300_800_000, -62_135_596_800_001, Infinity]) {
      expect(runOf([withTime(), PLAIN], { serverTimeMs })).toBe(SLOW);
      expect(lines()).toBe(encodeLine(withTime(), 1));
    }
    for (const serverTimeMs of [253_402_300_799_999, -62_135_596_800_000, -1, 0]) {
      expect(runOf([PLAIN], { serverTimeMs })).toBe(DONE);
      expect(lines()).toBe(encodeLine(PLAIN, 1, serverTimeMs));
    }
  });

  it('takes what is unusual and certain', () => {
    const frames = [
      wire.join(PLAIN, wire.varintField(6, 0)),
      wire.join(wire.delimited(7, 'content first'), wire.delimited(3, 's')),
      wire.join(wire.delimited(3, 's'), Buffer.of(0x3a), wire.paddedVarint(4, 4), Buffer.from('four')),
      withTime(),
      withMetadata(),
      withMetadata(...keys(64)),
      withMetadata(nested(16)),
      withMetadata(wire.entry('', wire.value.struct()), wire.entry('\0', wire.value.list())),
      wire.join(PLAIN, wire.delimited(9, 'no number')),
      wire.join(PLAIN, wire.varintField(10, 7)),
      wire.join(PLAIN, wire.varintField(1, 2 ** 31 - 1)),
    ];
    expect(runOf(frames, { lastSeq: 9998 })).toBe(DONE);
    expect(lines()).toBe(frames.map((frame, index) => encodeLine(frame, 9999 + index, SERVER_TIME_MS)).join(''));
    expect([runs.stored, runs.duplicates, runs.lastSeq]).toEqual([11, 0, 10_009]);
    expect(runs.frameBytes).toBe(wire.join(...frames).length);
  });

  it('says whose the frame is that is not its own', () => {
    const bytes = wire.join(Buffer.from('before'), piece(GROUP, [PLAIN, wire.delimited(3, '漢'), PLAIN]));
    runs.load(bytes, 6, bytes.length);
    expect(run(GROUP, {}, 6)).toBe(OTHER_SESSION);
    expect(bytes.toString('utf8', runs.idStart, runs.idEnd)).toBe('漢');
    expect(runs.position).toBe(6 + piece(GROUP, [PLAIN]).length);
    const of = (producer: string, seq: number): Buffer =>
      wire.join(PLAIN, wire.delimited(9, producer), wire.varintField(10, seq));
    const frames = [of('w1', 3), PLAIN, of('w1', 5), of('w1', 4), of('w1', 9), of('w2', 1)];
    expect(runOf(frames, { producer: 'w1', mark: 3 })).toBe(OTHER_PRODUCER);
    expect(piece(GROUP, frames).toString('utf8', runs.idStart, runs.idEnd)).toBe('w2');
    expect([runs.stored, runs.duplicates, runs.producerMark]).toEqual([3, 2, 9]);
    expect(runOf(frames)).toBe(OTHER_PRODUCER);
    expect([runs.position, runs.stored, runs.producerMark]).toEqual([0, 0, 0]);
  });

  it('fills the room to the last byte, and not further', () => {
    const bytes = encodeLine(PLAIN, 1, SERVER_TIME_MS).length;
    expect(runOf([PLAIN, PLAIN], { roomBytes: 2 * bytes })).toBe(DONE);
    expect(runOf([PLAIN, PLAIN], { roomBytes: 2 * bytes - 1 })).toBe(NO_ROOM);
    expect([runs.stored, runs.outputBytes, runs.lastSeq]).toEqual([1, bytes, 1]);
    for (const roomBytes of [0, -5]) {
      expect(runOf([PLAIN], { roomBytes })).toBe(NO_ROOM);
      expect(runs.outputBytes).toBe(0);
    }
  });
});

describe('the memory', () => {
  it('holds a piece to its last byte, and no longer one', () => {
    const message = piece(GROUP, [wire.join(wire.delimited(3, 's'), wire.delimited(7, `${'x'.repeat(1000)}漢`))]);
    const space = (4 << 20) - message.length * 4000 - 5 - 3 - 1 - 3;
    const bytes = wire.join(
      ...Array.from({ length: 4000 }, () => message),
      piece(GROUP, [wire.join(wire.delimited(3, 's'), wire.delimited(7, `${'"'.repeat(space - 3)}漢`))]),
    );
    expect(bytes.length).toBe(4 << 20);
    expect(storedAlike(bytes, GROUP, runs).fast).toBe(4001);
    expect(runs.load(Buffer.alloc((4 << 20) + 1), 0, (4 << 20) + 1)).toBe(false);
    expect(() => run(GROUP, {}, 1)).toThrow(RangeError);
  });

  it('is not read behind the piece, where the rest of a longer one still stands', () => {
    const frame = wire.join(PLAIN, wire.delimited(2, wire.timestamp(1, 1)), wire.delimited(8, nested(3)));
    for (const format of [GROUP, BATCH] as const) {
      const whole = piece(format, [PLAIN, frame]);
      const first = piece(format, [PLAIN]).length;
      for (let end = first + 1; end < whole.length; end++) {
        runs.load(whole, 0, whole.length);
        runs.load(whole, 0, end);
        expect(run(format)).toBe(SLOW);
        expect([runs.position, runs.stored]).toEqual([first, 1]);
      }
    }
  });

  it('has room for a frame of 1 MiB that is all escapes; a larger one is for the ordinary path', () => {
    const frame = wire.join(wire.delimited(3, 's'), wire.delimited(7, '\x07'.repeat(LARGE)));
    expect(runOf([frame], { maxFrameBytes: 2 * LARGE, roomBytes: 8 * LARGE })).toBe(DONE);
    expect(runs.output.subarray(0, runs.outputBytes).equals(Buffer.from(encodeLine(frame, 1, SERVER_TIME_MS)))).toBe(
      true,
    );
    const larger = wire.join(wire.delimited(3, 's'), wire.delimited(7, '\x07'.repeat(LARGE * 1.2)));
    expect(runOf([PLAIN, larger], { maxFrameBytes: 2 * LARGE })).toBe(FULL);
    expect(run(GROUP, { maxFrameBytes: 2 * LARGE }, runs.position)).toBe(SLOW);
    expect(runs.outputBytes).toBe(0);
  });

  it('takes no id that no session or producer has', () => {
    const idBytes = Buffer.alloc(1025, 'x');
    const long = { idBytes, idJson: encodeSessionIdJson(idBytes.toString()) };
    expect(() => runs.encodeRun(0, GROUP, long, 0, 0, 0, 0, null, 0)).toThrow(RangeError);
    expect(() => run(GROUP, { producer: 'w'.repeat(257) })).toThrow(RangeError);
    const id = '\x07'.repeat(1024);
    const longest = { idBytes: Buffer.from(id), idJson: encodeSessionIdJson(id) };
    const bytes = piece(GROUP, [wire.delimited(3, id)]);
    runs.load(bytes, 0, bytes.length);
    expect(runs.encodeRun(0, GROUP, longest, 0, SERVER_TIME_MS, LARGE, LARGE, null, 0)).toBe(DONE);
    expect(lines()).toBe(encodeLine(wire.delimited(3, id), 1, SERVER_TIME_MS));
  });
});
