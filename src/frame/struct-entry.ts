import { DELIMITED, WireReader } from './wire.js';

/**
 * Finds the entries of a google.protobuf.Struct in its bytes: its field 1, a message of 1 key string and 2 value Value.
 * One instance is reused for every entry.
 */
export class EntryReader {
  private readonly wire = new WireReader();
  /** Whether `read` found an entry; only then do the offsets mean something. An absent part starts where it ends. */
  isEntry = false;
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;

  /**
   * Reads one field of a Struct; `isEntry` says whether it was an entry, and the offsets where its parts stand.
   * @returns the position behind it, -1 when it is malformed
   */
  read(bytes: Buffer, position: number, end: number): number {
    const wire = this.wire;
    if (this.readShort(bytes, position, end)) {
      return this.valueEnd;
    }
    const payload = wire.readTag(bytes, position, end);
    const tag = wire.tag;
    this.isEntry = tag === 10;
    if (payload < 0 || (tag >>> 3 === 1 && !this.isEntry)) {
      return -1;
    }
    if (!this.isEntry) {
      return wire.skip(bytes, payload, end, tag);
    }
    const entryEnd = wire.readDelimited(bytes, payload, end);
    this.keyStart = this.keyEnd = this.valueStart = this.valueEnd = 0;
    let next = wire.payload;
    while (next < entryEnd) {
      next = this.readField(bytes, next, entryEnd);
      if (next < 0) {
        return -1;
      }
    }
    return entryEnd;
  }

  /**
   * Reads an entry as every serializer writes it: key, value, lengths of one byte.
   * @returns false when it is another, or malformed; nothing is read then
   */
  private readShort(bytes: Buffer, position: number, end: number): boolean {
    // Every index below is checked to be below `end`, so within `bytes`: the `!` stand on it.
    if (position + 6 > end || bytes[position] !== 10 || bytes[position + 2] !== 10) {
      return false;
    }
    const entryEnd = position + 2 + bytes[position + 1]!;
    const keyStart = position + 4;
    const keyEnd = keyStart + bytes[position + 3]!;
    // A length of 0x80 or more has a second byte, and 128 or more is here too long.
    if (entryEnd > end || entryEnd >= position + 130 || keyEnd + 2 > entryEnd || bytes[keyEnd] !== 18) {
      return false;
    }
    if (keyEnd + 2 + bytes[keyEnd + 1]! !== entryEnd) {
      return false;
    }
    this.isEntry = true;
    this.keyStart = keyStart;
    this.keyEnd = keyEnd;
    this.valueStart = keyEnd + 2;
    this.valueEnd = entryEnd;
    return true;
  }

  /** Reads a field of a map entry: 1 key string, 2 value Value. */
  private readField(bytes: Buffer, position: number, end: number): number {
    const wire = this.wire;
    const payload = wire.readTag(bytes, position, end);
    if (payload < 0) {
      return -1;
    }
    const tag = wire.tag;
    if (tag >>> 3 > 2) {
      return wire.skip(bytes, payload, end, tag);
    }
    if ((tag & 7) !== DELIMITED) {
      return -1;
    }
    const fieldEnd = wire.readDelimited(bytes, payload, end);
    if (tag === 10) {
      this.keyStart = wire.payload;
      this.keyEnd = fieldEnd;
    } else {
      this.valueStart = wire.payload;
      this.valueEnd = fieldEnd;
    }
    return fieldEnd;
  }
}
