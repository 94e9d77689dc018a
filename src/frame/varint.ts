/**
 * Protobuf's base-128 varint: seven bits a byte, least significant first, the top bit set on all but the last byte; at
 * most ten bytes. A value is kept as two halves, because a double does not hold 64 bits.
 *
 * One instance is reused for every read.
 */
export class VarintReader {
  /** Bits 0 to 31 of the last value, as a signed integer. */
  low = 0;
  /** Bits 32 to 63 of the last value, as a signed integer. */
  high = 0;

  /**
   * Reads the varint at `bytes[position]`. Bits past the 64th are dropped, as every protobuf parser does.
   * @returns the position behind it; -1 when it does not end before `end` or within ten bytes
   */
  read(bytes: Uint8Array, position: number, end: number): number {
    this.high = 0;
    if (end - position < 5) {
      return this.readLow(bytes, position, end);
    }
    // An index below `end` is within `bytes`, which is what the `!` here stand on.
    let byte = bytes[position]!;
    let low = byte & 0x7f;
    if (byte < 0x80) {
      this.low = low;
      return position + 1;
    }
    byte = bytes[position + 1]!;
    low |= (byte & 0x7f) << 7;
    if (byte < 0x80) {
      this.low = low;
      return position + 2;
    }
    byte = bytes[position + 2]!;
    low |= (byte & 0x7f) << 14;
    if (byte < 0x80) {
      this.low = low;
      return position + 3;
    }
    byte = bytes[position + 3]!;
    low |= (byte & 0x7f) << 21;
    if (byte < 0x80) {
      this.low = low;
      return position + 4;
    }
    byte = bytes[position + 4]!;
    this.low = low | (byte << 28);
    const high = (byte & 0x7f) >>> 4;
    if (byte < 0x80) {
      this.high = high;
      return position + 5;
    }
    return this.readHigh(bytes, position + 5, end, high);
  }

  /** Reads a varint of which at most four bytes can be there. */
  private readLow(bytes: Uint8Array, position: number, end: number): number {
    let low = 0;
    let shift = 0;
    for (let i = position; i < end; i++) {
      const byte = bytes[i]!;
      low |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) {
        this.low = low;
        return i + 1;
      }
    }
    return -1;
  }

  /** Reads the sixth to tenth byte. */
  private readHigh(bytes: Uint8Array, position: number, end: number, firstBits: number): number {
    let high = firstBits;
    let shift = 3;
    // Bits 32 to 34 came with the fifth byte; of the tenth only one bit is left to keep.
    for (let i = position; i < end && shift < 38; i++) {
      const byte = bytes[i]!;
      high |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) {
        this.high = high;
        return i + 1;
      }
    }
    return -1;
  }

  /** The last value as uint64. Exact up to 2^53. */
  unsigned(): number {
    return (this.high >>> 0) * 4_294_967_296 + (this.low >>> 0);
  }

  /** The last value as int64. Exact within ±2^53. */
  signed(): number {
    return this.high * 4_294_967_296 + (this.low >>> 0);
  }
}
