import type { FrameSource } from './frame-source.js';
import { ASCII, CHUNK_BYTES, ESCAPE_BYTES_MAX, ROOM_BYTES, writeHex, writeSequence } from './json-escape.js';
import type { LineBuffer } from './line-buffer.js';

/** From here on it pays to have Node check the text first (simdutf: 60 ns a call and 0.04 ns a byte). */
export const UNICODE_BYTES_MIN = 128;

const QUOTE = 0x22;

/** The first bytes of U+0080 to U+00BF, and of U+2000 to U+2FFF: those of all that is escaped above ASCII. */
const LEAD_C2 = 0xc2;
const LEAD_E2 = 0xe2;

/**
 * Writes what is left of a string known to be UTF-8, and its closing quote.
 *
 * No sequence has to be checked here, so words are copied whatever characters they cut: only those with a byte below
 * 0x20, a quote, a backslash, 0x7f or one of two first bytes are looked into. Each pair of terms sets the top bit of a
 * zero byte (`x - 1 & ~x`); above such a byte a borrow may set one too many, which costs a look. (CJK: 1.2 ns a byte,
 * against 2.9 where each sequence is measured.)
 */
export function copyUnicode(source: FrameSource, start: number, end: number, out: LineBuffer, at: number): number {
  const bytes = source.bytes;
  const from = source.view;
  let o = at | 0;
  let i = start | 0;
  while (i < end) {
    const chunkEnd = end - i > CHUNK_BYTES ? i + CHUNK_BYTES : end;
    // The last character may begin in this chunk and end behind it: three bytes more, and the quote.
    out.reserve(o, (chunkEnd - i) * ESCAPE_BYTES_MAX + 4 + ROOM_BYTES);
    const target = out.bytes;
    const to = out.view;
    while (i < chunkEnd) {
      for (; i + 4 <= chunkEnd; i += 4) {
        const word = from.getInt32(i, true);
        const quote = word ^ 0x22222222;
        const backslash = word ^ 0x5c5c5c5c;
        const deleted = word ^ 0x7f7f7f7f;
        const c2 = word ^ 0xc2c2c2c2;
        const e2 = word ^ 0xe2e2e2e2;
        const marks =
          ((word - 0x20202020) & ~word) |
          ((quote - 0x01010101) & ~quote) |
          ((backslash - 0x01010101) & ~backslash) |
          ((deleted - 0x01010101) & ~deleted) |
          ((c2 - 0x01010101) & ~c2) |
          ((e2 - 0x01010101) & ~e2);
        if ((marks & 0x80808080) !== 0) {
          break;
        }
        to.setInt32(o, word, true);
        o += 4;
      }
      // The bytes of the word that was not copied, up to and with what it was not copied for.
      for (let last = Math.min(i + 4, chunkEnd); i < last; ) {
        // Below `chunkEnd`, so within `bytes`.
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
        } else if (byte === LEAD_C2 || byte === LEAD_E2) {
          const length = byte === LEAD_C2 ? 2 : 3;
          o = writeSequence(bytes, i, length, target, o);
          i += length;
        } else {
          target[o++] = byte;
          i++;
        }
      }
    }
  }
  out.bytes[o] = QUOTE;
  return o + 1;
}
