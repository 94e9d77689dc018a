import { isUtf8 } from 'node:buffer';
import type { FrameSource } from './frame-source.js';
import {
  ASCII,
  CHUNK_BYTES,
  ESCAPE_BYTES_MAX,
  ROOM_BYTES,
  writeHex,
  writeReplacement,
  writeSequence,
} from './json-escape.js';
import { copyUnicode, UNICODE_BYTES_MIN } from './json-unicode.js';
import type { KeyFragment } from './key-fragment.js';
import type { LineBuffer } from './line-buffer.js';
import { sequenceLength } from './utf8.js';

const QUOTE = 0x22;

/** What a KeyFragment stores. */
const PREFIX_BYTES_MAX = 16;

/**
 * Writes UTF-8 as a JSON string with its quotes.
 *
 * Escaped as JSON.stringify does it, and beyond that U+007F to U+009F, U+2028 and U+2029 as \uXXXX: no reader, whatever
 * it takes for a line break or a terminal command, meets one that an agent wrote. All else stays raw UTF-8. Bytes that
 * are no UTF-8 become U+FFFD, one for each maximal subpart, as the WHATWG decoder does it.
 *
 * Words of four bytes are copied as long as none of their bytes is below 0x20, a quote, a backslash, 0x7f or above.
 * Each term of `marks` sets the top bit of a byte it looks for; a borrow or carry into the next byte can only come from
 * such a byte, so a clean word has no mark. The terms stand in each loop and not in a function: V8 stops inlining it
 * when short strings came first, and 90 bytes then take 156 ns and not 73.
 *
 * @param prefix what stands before the string, up to and with its opening quote: one call and one store less
 * @param at where to write in `out`; `out.length` does not move
 * @returns where the string ends in `out`; ROOM_BYTES are free behind it
 */
export function writeJsonString(
  prefix: KeyFragment,
  source: FrameSource,
  start: number,
  end: number,
  out: LineBuffer,
  at: number,
): number {
  if (end - start > CHUNK_BYTES || end + 4 > source.bytes.length) {
    out.reserve(at, PREFIX_BYTES_MAX + ROOM_BYTES);
    return writeChunks(source, start, end, out, prefix.write(out.view, at));
  }
  out.reserve(at, PREFIX_BYTES_MAX + (end - start) * ESCAPE_BYTES_MAX + 1 + ROOM_BYTES);
  const from = source.view;
  const to = out.view;
  let o = prefix.write(to, at) | 0;
  let i = start | 0;
  for (; i + 8 <= end; i += 8) {
    const first = from.getInt32(i, true);
    const second = from.getInt32(i + 4, true);
    const marks =
      (first - 0x20202020) |
      ((first ^ 0x22222222) - 0x01010101) |
      ((first ^ 0x5c5c5c5c) - 0x01010101) |
      (first + 0x01010101) |
      first |
      (second - 0x20202020) |
      ((second ^ 0x22222222) - 0x01010101) |
      ((second ^ 0x5c5c5c5c) - 0x01010101) |
      (second + 0x01010101) |
      second;
    if ((marks & 0x80808080) !== 0) {
      return writeChunks(source, i, end, out, o);
    }
    to.setInt32(o, first, true);
    to.setInt32(o + 4, second, true);
    o += 8;
  }
  if (i + 4 <= end) {
    const word = from.getInt32(i, true);
    const marks =
      (word - 0x20202020) |
      ((word ^ 0x22222222) - 0x01010101) |
      ((word ^ 0x5c5c5c5c) - 0x01010101) |
      (word + 0x01010101) |
      word;
    if ((marks & 0x80808080) !== 0) {
      return writeChunks(source, i, end, out, o);
    }
    to.setInt32(o, word, true);
    i += 4;
    o += 4;
  }
  // The last 0 to 3 bytes, with spaces for those that belong to the next field.
  const mask = (1 << ((end - i) << 3)) - 1;
  const last = (from.getInt32(i, true) & mask) | (0x20202020 & ~mask);
  const lastMarks =
    (last - 0x20202020) |
    ((last ^ 0x22222222) - 0x01010101) |
    ((last ^ 0x5c5c5c5c) - 0x01010101) |
    (last + 0x01010101) |
    last;
  if ((lastMarks & 0x80808080) !== 0) {
    return writeChunks(source, i, end, out, o);
  }
  to.setInt32(o, last, true);
  o += end - i;
  to.setUint8(o, QUOTE);
  return o + 1;
}

/** Writes what is left of a string, and its closing quote. */
function writeChunks(source: FrameSource, start: number, end: number, out: LineBuffer, at: number): number {
  const bytes = source.bytes;
  const from = source.view;
  let o = at | 0;
  let i = start | 0;
  // Asked once: to ask again at each character would be quadratic.
  let isAsked = false;
  while (i < end) {
    const chunkEnd = end - i > CHUNK_BYTES ? i + CHUNK_BYTES : end;
    // The last character may begin in this chunk and end behind it: three bytes more, and the quote.
    out.reserve(o, (chunkEnd - i) * ESCAPE_BYTES_MAX + 4 + ROOM_BYTES);
    const target = out.bytes;
    const to = out.view;
    while (i < chunkEnd) {
      for (; i + 4 <= chunkEnd; i += 4) {
        const word = from.getInt32(i, true);
        const marks =
          (word - 0x20202020) |
          ((word ^ 0x22222222) - 0x01010101) |
          ((word ^ 0x5c5c5c5c) - 0x01010101) |
          (word + 0x01010101) |
          word;
        if ((marks & 0x80808080) !== 0) {
          break;
        }
        to.setInt32(o, word, true);
        o += 4;
      }
      // The word that was not copied. `i` is below `chunkEnd`, so within `bytes`: the `!` here stand on it.
      for (let last = Math.min(i + 4, chunkEnd); i < last; ) {
        const byte = bytes[i]!;
        if (byte < 0x80) {
          const ascii = ASCII[byte]!;
          if (ascii === 0) {
            o = writeHex(byte, target, o);
          } else {
            to.setInt16(o, ascii, true);
            o += ascii >> 16;
          }
          i++;
          continue;
        }
        if (!isAsked && end - i >= UNICODE_BYTES_MIN && isUtf8(bytes.subarray(i, end))) {
          return copyUnicode(source, i, end, out, o);
        }
        isAsked = true;
        do {
          const length = sequenceLength(bytes, i, end);
          o = length > 0 ? writeSequence(bytes, i, length, target, o) : writeReplacement(target, o);
          i += length > 0 ? length : -length;
        } while (i < chunkEnd && bytes[i]! >= 0x80);
      }
    }
  }
  out.bytes[o] = QUOTE;
  return o + 1;
}
