import { GROUP_DEPTH_MAX } from './limits.js';
import { VarintReader } from './varint.js';

/** Wire types: the low three bits of a field's tag; the rest is the field's number. */
export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;
export const GROUP_START = 3;
export const GROUP_END = 4;
export const FIXED32 = 5;

/**
 * Steps through the fields of a protobuf message in place. The positions it hands out are the only state between two
 * calls; one instance is reused for every message.
 */
export class WireReader {
  readonly varint = new VarintReader();
  /** The tag read last: field number × 8 + wire type. */
  tag = 0;
  /** Where the payload of the delimited field read last begins. */
  payload = 0;

  /**
   * Reads a tag of any length into `tag`.
   * @returns the position behind it; -1 when it is truncated, longer than 32 bits or has field number 0
   */
  readTag(bytes: Uint8Array, position: number, end: number): number {
    if (position < end) {
      // Below `end`, so within `bytes`.
      const tag = bytes[position]!;
      if (tag < 0x80) {
        this.tag = tag;
        return tag < 8 ? -1 : position + 1;
      }
    }
    const next = this.varint.read(bytes, position, end);
    if (next < 0 || this.varint.high !== 0) {
      return -1;
    }
    this.tag = this.varint.low >>> 0;
    return this.tag < 8 ? -1 : next;
  }

  /**
   * Reads the length at `position` and sets `payload` to the first byte behind it.
   * @returns where the payload ends; -1 when that is past `end`
   */
  readDelimited(bytes: Uint8Array, position: number, end: number): number {
    if (position < end) {
      // Below `end`, so within `bytes`.
      const length = bytes[position]!;
      if (length < 0x80) {
        this.payload = position + 1;
        return position + 1 + length <= end ? position + 1 + length : -1;
      }
    }
    const next = this.varint.read(bytes, position, end);
    if (next < 0) {
      return -1;
    }
    this.payload = next;
    const payloadEnd = next + this.varint.unsigned();
    return payloadEnd <= end ? payloadEnd : -1;
  }

  /**
   * Steps over the payload of a field whose tag has been read.
   * @param tag the field's tag: a group ends where its number ends
   * @returns the position behind it; -1 when it is truncated, of no known wire type, or an end without a group
   */
  skip(bytes: Uint8Array, position: number, end: number, tag: number, depth = 0): number {
    switch (tag & 7) {
      case VARINT:
        return this.varint.read(bytes, position, end);
      case FIXED64:
        return position + 8 <= end ? position + 8 : -1;
      case DELIMITED:
        return this.readDelimited(bytes, position, end);
      case GROUP_START:
        return depth < GROUP_DEPTH_MAX ? this.skipGroup(bytes, position, end, tag, depth) : -1;
      case FIXED32:
        return position + 4 <= end ? position + 4 : -1;
      default:
        return -1;
    }
  }

  private skipGroup(bytes: Uint8Array, position: number, end: number, tag: number, depth: number): number {
    const endTag = tag - GROUP_START + GROUP_END;
    let next = position;
    for (;;) {
      next = this.readTag(bytes, next, end);
      if (next < 0 || this.tag === endTag) {
        return next;
      }
      next = this.skip(bytes, next, end, this.tag, depth + 1);
      if (next < 0) {
        return -1;
      }
    }
  }
}
