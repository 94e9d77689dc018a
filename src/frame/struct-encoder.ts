import type { FrameProblem } from './frame-problem.js';
import type { FrameSource } from './frame-source.js';
import { ROOM_BYTES } from './json-escape.js';
import { writeDouble } from './json-number.js';
import { writeJsonString } from './json-string.js';
import { KeyFragment } from './key-fragment.js';
import { KeySet } from './key-set.js';
import { METADATA_DEPTH_MAX } from './limits.js';
import type { LineBuffer } from './line-buffer.js';
import { EntryReader } from './struct-entry.js';
import { DELIMITED, FIXED64, VARINT, WireReader } from './wire.js';

const NOT_A_STRUCT: FrameProblem = { field: 'metadata', reason: 'is not a valid google.protobuf.Struct message' };
const TOO_DEEP: FrameProblem = { field: 'metadata', reason: 'is nested more than 100 messages deep' };

const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const QUOTE = new KeyFragment('"');
const COLON_QUOTE = new KeyFragment(':"');
const NULL = new KeyFragment('null');
const TRUE = new KeyFragment('true');
const FALSE = new KeyFragment('false');

/** The fields of google.protobuf.Value, all of one oneof. */
const NULL_VALUE = 1;
const NUMBER_VALUE = 2;
const STRING_VALUE = 3;
const BOOL_VALUE = 4;
const STRUCT_VALUE = 5;
const LIST_VALUE = 6;

/** The wire type each of them has, by number. */
const VALUE_WIRE_TYPES = [-1, VARINT, FIXED64, DELIMITED, VARINT, DELIMITED, DELIMITED];

/** An entry of a Struct: where its key and its value stand. */
interface Entry {
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/**
 * Writes a google.protobuf.Struct as the JSON object it stands for, straight from its bytes.
 *
 * - A key appears once: at the place of its first entry, with the value of its last. Keys count as equal when they are
 *   equal in the line, that is with U+FFFD in the place of bytes that are no UTF-8.
 * - Of a Value's kinds the last on the wire counts; without any it is null. An entry without a key has the key "".
 * - What is overwritten (an entry of a repeated key, a kind of a Value) is stepped over and not read.
 * - Unknown fields are stepped over; known fields in a wrong wire type are refused.
 *
 * Each object is read twice, once to see whether its keys differ and once to write it; only when they may not differ
 * are its entries collected in a Map. The cost therefore stays linear in the bytes, whatever a client sends.
 */
export class StructEncoder {
  private readonly wire = new WireReader();
  private readonly entry = new EntryReader();
  private readonly keys = new KeySet();
  private problem: FrameProblem = NOT_A_STRUCT;

  /**
   * Writes the Struct at `source.bytes[start]` up to `end`.
   * @param at where to write in `out`; ROOM_BYTES are free there; `out.length` does not move
   * @returns where the object ends in `out`, -1 when it cannot be stored: see `lastProblem`
   */
  write(source: FrameSource, start: number, end: number, out: LineBuffer, at: number): number {
    this.problem = NOT_A_STRUCT;
    return this.writeStruct(source, start, end, out, at, 1);
  }

  /** Why the last `write` returned -1. */
  get lastProblem(): FrameProblem {
    return this.problem;
  }

  private writeStruct(
    source: FrameSource,
    start: number,
    end: number,
    out: LineBuffer,
    at: number,
    depth: number,
  ): number {
    if (depth > METADATA_DEPTH_MAX) {
      this.problem = TOO_DEEP;
      return -1;
    }
    if (!this.keys.allDiffer(this.entry, source, start, end)) {
      return this.writeDistinct(source, start, end, out, at, depth);
    }
    let o = at;
    out.view.setUint8(o++, OPEN_BRACE);
    let position = start;
    while (position < end) {
      position = this.entry.read(source.bytes, position, end);
      if (position < 0) {
        return -1;
      }
      if (this.entry.isEntry) {
        o = this.writeEntry(
          source,
          this.entry.keyStart,
          this.entry.keyEnd,
          this.entry.valueStart,
          this.entry.valueEnd,
          out,
          o,
          depth,
        );
        if (o < 0) {
          return -1;
        }
      }
    }
    return close(out, at, o, CLOSE_BRACE);
  }

  /** Writes a Struct whose keys may repeat. */
  private writeDistinct(
    source: FrameSource,
    start: number,
    end: number,
    out: LineBuffer,
    at: number,
    depth: number,
  ): number {
    // Setting a key again keeps its place in the order.
    const entries = new Map<string, Entry>();
    let position = start;
    while (position < end) {
      position = this.entry.read(source.bytes, position, end);
      if (position < 0) {
        return -1;
      }
      if (this.entry.isEntry) {
        const { keyStart, keyEnd, valueStart, valueEnd } = this.entry;
        entries.set(source.bytes.toString('utf8', keyStart, keyEnd), { keyStart, keyEnd, valueStart, valueEnd });
      }
    }
    let o = at;
    out.view.setUint8(o++, OPEN_BRACE);
    for (const entry of entries.values()) {
      o = this.writeEntry(source, entry.keyStart, entry.keyEnd, entry.valueStart, entry.valueEnd, out, o, depth);
      if (o < 0) {
        return -1;
      }
    }
    return close(out, at, o, CLOSE_BRACE);
  }

  /** Writes `"key":value,`. */
  private writeEntry(
    source: FrameSource,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    out: LineBuffer,
    at: number,
    depth: number,
  ): number {
    let o = writeJsonString(QUOTE, source, keyStart, keyEnd, out, at);
    const bytes = source.bytes;
    const length = valueEnd - valueStart - 2;
    // One short string, which most values are. Two bytes are there when `length` is not negative.
    if (length >= 0 && length < 128 && bytes[valueStart] === 26 && bytes[valueStart + 1] === length) {
      o = writeJsonString(COLON_QUOTE, source, valueStart + 2, valueEnd, out, o);
    } else {
      out.view.setUint8(o, COLON);
      o = this.writeValue(source, valueStart, valueEnd, out, o + 1, depth + 1);
      if (o < 0) {
        return -1;
      }
    }
    out.view.setUint8(o, COMMA);
    return o + 1;
  }

  private writeList(
    source: FrameSource,
    start: number,
    end: number,
    out: LineBuffer,
    at: number,
    depth: number,
  ): number {
    if (depth > METADATA_DEPTH_MAX) {
      this.problem = TOO_DEEP;
      return -1;
    }
    const bytes = source.bytes;
    const wire = this.wire;
    let o = at;
    out.view.setUint8(o++, OPEN_BRACKET);
    let position = start;
    while (position < end) {
      position = wire.readTag(bytes, position, end);
      if (position < 0) {
        return -1;
      }
      const tag = wire.tag;
      if (tag >>> 3 !== 1) {
        position = wire.skip(bytes, position, end, tag);
        if (position < 0) {
          return -1;
        }
        continue;
      }
      position = (tag & 7) === DELIMITED ? wire.readDelimited(bytes, position, end) : -1;
      if (position < 0) {
        return -1;
      }
      o = this.writeValue(source, wire.payload, position, out, o, depth + 1);
      if (o < 0) {
        return -1;
      }
      out.view.setUint8(o++, COMMA);
    }
    return close(out, at, o, CLOSE_BRACKET);
  }

  private writeValue(
    source: FrameSource,
    start: number,
    end: number,
    out: LineBuffer,
    at: number,
    depth: number,
  ): number {
    if (depth > METADATA_DEPTH_MAX) {
      this.problem = TOO_DEEP;
      return -1;
    }
    const bytes = source.bytes;
    const wire = this.wire;
    let kind = NULL_VALUE;
    let payload = 0;
    let payloadEnd = 0;
    let isTrue = false;
    let position = start;
    while (position < end) {
      const fieldStart = wire.readTag(bytes, position, end);
      if (fieldStart < 0) {
        return -1;
      }
      const tag = wire.tag;
      position = wire.skip(bytes, fieldStart, end, tag);
      if (position < 0) {
        return -1;
      }
      const field = tag >>> 3;
      if (field > LIST_VALUE) {
        continue;
      }
      const wireType = tag & 7;
      if (wireType !== VALUE_WIRE_TYPES[field]) {
        return -1;
      }
      kind = field;
      payloadEnd = position;
      payload = wireType === DELIMITED ? wire.payload : fieldStart;
      isTrue = (wire.varint.low | wire.varint.high) !== 0;
    }
    switch (kind) {
      case STRING_VALUE:
        return writeJsonString(QUOTE, source, payload, payloadEnd, out, at);
      case STRUCT_VALUE:
        out.reserve(at, ROOM_BYTES);
        return this.writeStruct(source, payload, payloadEnd, out, at, depth + 1);
      case LIST_VALUE:
        out.reserve(at, ROOM_BYTES);
        return this.writeList(source, payload, payloadEnd, out, at, depth + 1);
      case NUMBER_VALUE:
        out.reserve(at, ROOM_BYTES);
        return writeDouble(source.view.getFloat64(payload, true), out.view, at);
      case BOOL_VALUE:
        out.reserve(at, ROOM_BYTES);
        return (isTrue ? TRUE : FALSE).write(out.view, at);
      default:
        out.reserve(at, ROOM_BYTES);
        return NULL.write(out.view, at);
    }
  }
}

/** Ends an object or a list: in the place of its last comma, or behind its opening bracket when it is empty. */
function close(out: LineBuffer, start: number, at: number, bracket: number): number {
  const end = at === start + 1 ? at + 1 : at;
  out.view.setUint8(end - 1, bracket);
  return end;
}
