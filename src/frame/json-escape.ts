/**
 * The characters of a JSON string that are not copied as they are, and those of more than one byte.
 *
 * Escaped as JSON.stringify does it, and beyond that U+007F to U+009F, U+2028 and U+2029 as \uXXXX: no reader, whatever
 * it takes for a line break or a terminal command, meets one that an agent wrote.
 */

/**
 * Bytes that are free behind every string that is written, for the punctuation, keys and numbers that follow it. More
 * than one of each needs at most 16 + 27 bytes, and the ends of 100 nested objects 100.
 */
export const ROOM_BYTES = 256;

/** Source bytes for which worst-case room is reserved at once, so that a 1 MiB content does not reserve 6 MiB. */
export const CHUNK_BYTES = 4096;

/** The longest that one source byte becomes: an escape such as \u0007. */
export const ESCAPE_BYTES_MAX = 6;

const BACKSLASH = 0x5c;
const DELETE = 0x7f;

const HEX_DIGITS = Buffer.from('0123456789abcdef');

/**
 * How each ASCII character stands in a string: in the lower half one or two bytes ready for one store, in the upper
 * half how many they are; 0 for those that need \uXXXX.
 */
export const ASCII = new Int32Array(128);
for (let byte = 0x20; byte < DELETE; byte++) {
  ASCII[byte] = (1 << 16) | byte;
}
// Each character and what stands behind the backslash for it.
for (const [character, escape] of ['""', '\\\\', '\bb', '\ff', '\nn', '\rr', '\tt']) {
  ASCII[character!.charCodeAt(0)] = (2 << 16) | (escape!.charCodeAt(0) << 8) | BACKSLASH;
}

/** Writes \uXXXX. */
export function writeHex(codeUnit: number, target: Buffer, at: number): number {
  target[at] = BACKSLASH;
  target[at + 1] = 0x75;
  target[at + 2] = HEX_DIGITS[codeUnit >>> 12]!;
  target[at + 3] = HEX_DIGITS[(codeUnit >>> 8) & 15]!;
  target[at + 4] = HEX_DIGITS[(codeUnit >>> 4) & 15]!;
  target[at + 5] = HEX_DIGITS[codeUnit & 15]!;
  return at + 6;
}

/** Writes U+FFFD. */
export function writeReplacement(target: Buffer, at: number): number {
  target[at] = 0xef;
  target[at + 1] = 0xbf;
  target[at + 2] = 0xbd;
  return at + 3;
}

/** Copies a valid sequence of two to four bytes, or escapes it when it is a control character or a line break. */
export function writeSequence(bytes: Buffer, i: number, length: number, target: Buffer, at: number): number {
  const first = bytes[i]!;
  const second = bytes[i + 1]!;
  if (length === 2 && first === 0xc2 && second < 0xa0) {
    return writeHex(second, target, at);
  }
  target[at] = first;
  target[at + 1] = second;
  if (length === 2) {
    return at + 2;
  }
  const third = bytes[i + 2]!;
  if (first === 0xe2 && second === 0x80 && (third === 0xa8 || third === 0xa9)) {
    return writeHex(0x2000 + (third - 0x80), target, at);
  }
  target[at + 2] = third;
  if (length === 3) {
    return at + 3;
  }
  target[at + 3] = bytes[i + 3]!;
  return at + 4;
}
