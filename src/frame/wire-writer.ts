import { LineBuffer } from './line-buffer.js';
import { DELIMITED, VARINT } from './wire.js';

/** A varint of 64 bits, and a tag. */
const NUMBER_BYTES_MAX = 16;

/** Writes protobuf messages with field numbers below 16, whose tags are one byte. */
export class WireWriter extends LineBuffer {
  /** Absent when it is 0. @param value an integer; a negative one takes ten bytes, as int32 and int64 have it */
  number(field: number, value: number): void {
    if (value !== 0) {
      this.room(NUMBER_BYTES_MAX);
      this.tag(field, VARINT);
      this.varint(value);
    }
  }

  /** Without `room`: its caller has seen to that. */
  tag(field: number, wireType: number): void {
    this.bytes[this.length++] = (field << 3) | wireType;
  }

  /** Without `room`. */
  varint(value: number): void {
    if (value < 0 || !Number.isSafeInteger(value)) {
      this.varint64(BigInt.asUintN(64, BigInt(value)));
      return;
    }
    let rest = value;
    while (rest > 0x7fffffff) {
      this.bytes[this.length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest > 0x7f) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  /**
   * Begins a field whose length is not known yet.
   * @param lengthBytes how many its length will probably take; when that is wrong, `close` moves the content
   * @returns where its content begins, for `close`
   */
  open(field: number, lengthBytes = 1): number {
    this.room(NUMBER_BYTES_MAX);
    this.tag(field, DELIMITED);
    this.length += lengthBytes;
    return this.length;
  }

  /** @param lengthBytes as in `open` */
  close(body: number, lengthBytes = 1): void {
    const length = this.length - body;
    const needed = lengthBytesOf(length);
    if (needed !== lengthBytes) {
      this.room(NUMBER_BYTES_MAX);
      this.bytes.copyWithin(body + needed - lengthBytes, body, this.length);
    }
    this.length = body - lengthBytes;
    this.varint(length);
    this.length += length;
  }

  /** Makes room for so many bytes more. May replace `bytes` and `view`. */
  room(bytes: number): void {
    this.reserve(this.length, bytes);
  }

  private varint64(value: bigint): void {
    let rest = value;
    while (rest > 0x7fn) {
      this.bytes[this.length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.bytes[this.length++] = Number(rest);
  }
}

/** Bytes that a length takes as a varint. */
export function lengthBytesOf(length: number): number {
  let bytes = 1;
  for (let rest = length; rest > 0x7f; rest >>>= 7) {
    bytes++;
  }
  return bytes;
}
