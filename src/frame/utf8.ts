/**
 * Measures the UTF-8 sequence whose first byte, 0x80 or above, is `bytes[i]` (The Unicode Standard, table 3-7).
 * @param end where the text ends; `i` is below it
 * @returns its bytes, 2 to 4; negative when it is no UTF-8: then so many bytes are a maximal subpart, which decoders
 * that follow WHATWG replace by one U+FFFD
 */
export function sequenceLength(bytes: Uint8Array, i: number, end: number): number {
  // Every index here is below `end`, so within `bytes`: the `!` stand on it.
  const first = bytes[i]!;
  if (first < 0xc2 || first > 0xf4) {
    return -1;
  }
  const second = i + 1 < end ? bytes[i + 1]! : 0;
  if (first < 0xe0) {
    return (second & 0xc0) === 0x80 ? 2 : -1;
  }
  if (first < 0xf0) {
    // No overlong forms, no surrogates.
    const low = first === 0xe0 ? 0xa0 : 0x80;
    const high = first === 0xed ? 0x9f : 0xbf;
    if (second < low || second > high) {
      return -1;
    }
    return i + 2 < end && (bytes[i + 2]! & 0xc0) === 0x80 ? 3 : -2;
  }
  // No overlong forms, nothing above U+10FFFF.
  const low = first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) {
    return -1;
  }
  if (i + 2 >= end || (bytes[i + 2]! & 0xc0) !== 0x80) {
    return -2;
  }
  return i + 3 < end && (bytes[i + 3]! & 0xc0) === 0x80 ? 4 : -3;
}

/** Whether `bytes[start, end)` is UTF-8 throughout. For short texts: node:buffer's isUtf8 wants an object per call. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  while (i < end) {
    // Below `end`, so within `bytes`.
    const length = bytes[i]! < 0x80 ? 1 : sequenceLength(bytes, i, end);
    if (length < 0) {
      return false;
    }
    i += length;
  }
  return true;
}
