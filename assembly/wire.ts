/**
 * Protobuf's wire format, as far as frames need it that any serializer wrote. A read leaves the position behind it in
 * `next`, and says -1 for all that is truncated, longer than it has to be handled here, or odd.
 */
export let next: usize = 0;

/** Reads a length of up to four bytes. */
export function readLength(at: usize, end: usize): i32 {
  if (at >= end) {
    return -1;
  }
  let byte = <u32>load<u8>(at++);
  if (byte < 0x80) {
    next = at;
    return <i32>byte;
  }
  let value = byte & 0x7f;
  for (let shift = 7; shift <= 21; shift += 7) {
    if (at >= end) {
      return -1;
    }
    byte = <u32>load<u8>(at++);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      next = at;
      return <i32>value;
    }
  }
  return -1;
}

/**
 * Reads the length of a payload. Nearly all are of one byte: to look at that in place makes a frame of 20 keys a third faster.
 * @param at not behind `end`
 * @returns where the payload ends, its start being `next`; 0 when that is not within `end`
 */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function readDelimited(at: usize, end: usize): usize {
  const length = <usize>load<u8>(at);
  if (length < 0x80 && length < end - at) {
    next = at + 1;
    return at + 1 + length;
  }
  return readLongDelimited(at, end);
}

export function readLongDelimited(at: usize, end: usize): usize {
  const length = readLength(at, end);
  return length >= 0 && <usize>length <= end - next ? next + <usize>length : 0;
}

/** Reads a varint of up to nine bytes, so of 63 bits: negative ones have ten. */
export function readVarint(at: usize, end: usize): i64 {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift <= 56; shift += 7) {
    if (at >= end) {
      return -1;
    }
    const byte = <u64>load<u8>(at++);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      next = at;
      return <i64>value;
    }
  }
  return -1;
}
