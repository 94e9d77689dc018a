import { isUtf8 } from './utf8';

/** What stands for each ASCII character that is not copied: up to six bytes, and how many in the eighth. */
const ESCAPES: usize = memory.data(128 * 8, 16);

for (let byte = 0; byte < 128; byte++) {
  writeHex(byte, ESCAPES + byte * 8);
  store<u8>(ESCAPES + byte * 8 + 7, 6);
}
setEscape(0x22, 0x22);
setEscape(0x5c, 0x5c);
setEscape(0x08, 0x62);
setEscape(0x0c, 0x66);
setEscape(0x0a, 0x6e);
setEscape(0x0d, 0x72);
setEscape(0x09, 0x74);

function setEscape(byte: i32, letter: u64): void {
  store<u64>(ESCAPES + byte * 8, (<u64>2 << 56) | (letter << 8) | 0x5c);
}

/** Writes \uXXXX. */
function writeHex(codeUnit: u32, o: usize): usize {
  store<u16>(o, 0x755c);
  for (let i = 0; i < 4; i++) {
    const digit = (codeUnit >> (12 - 4 * i)) & 15;
    store<u8>(o + 2 + i, <u8>(digit < 10 ? 48 + digit : 87 + digit));
  }
  return o + 6;
}

/** What stands behind the backslash for bytes 8 to 13; 0 for those that need \uXXXX, and swizzle gives 0 for all above 15. */
const LETTERS = i8x16(0, 0, 0, 0, 0, 0, 0, 0, 0x62, 0x74, 0x6e, 0, 0x66, 0x72, 0, 0);
const BACKSLASHES = i8x16.splat(0x5c);

/** For each set of eight bytes that get a backslash: which lanes to take, lane 8 being a backslash. */
const SPREADS: usize = memory.data(256 * 16, 16);
for (let set = 0; set < 256; set++) {
  let at = SPREADS + set * 16;
  for (let lane = 0; lane < 8; lane++) {
    if (((set >> lane) & 1) != 0) {
      store<u8>(at++, 8);
    }
    store<u8>(at++, <u8>lane);
  }
}

/** Bytes that are not copied, as those of a mask. Compared as signed numbers, so that 0x80 to 0xff are below the space, too. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
function specialBytes(chunk: v128): u32 {
  const marks = v128.or(
    v128.or(i8x16.lt_s(chunk, i8x16.splat(0x20)), i8x16.eq(chunk, i8x16.splat(0x22))),
    v128.or(i8x16.eq(chunk, i8x16.splat(0x5c)), i8x16.eq(chunk, i8x16.splat(0x7f))),
  );
  return <u32>i8x16.bitmask(marks);
}

/** writeString, in place for what is short and clean: ids, keys, most values. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function writeShort(start: usize, end: usize, o: usize): usize {
  const length = end - start;
  if (length <= 16) {
    const chunk = v128.load(start);
    if ((specialBytes(chunk) & ((1 << <u32>length) - 1)) == 0) {
      v128.store(o, chunk);
      store<u8>(o + length, 0x22);
      return o + length + 1;
    }
  }
  return writeString(start, end, o);
}

/** Which bytes of a vector become a backslash and one character. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
function simpleBytes(chunk: v128): u32 {
  const quotes = v128.or(i8x16.eq(chunk, i8x16.splat(0x22)), i8x16.eq(chunk, BACKSLASHES));
  return <u32>i8x16.bitmask(v128.or(quotes, i8x16.ne(i8x16.swizzle(LETTERS, chunk), i8x16.splat(0))));
}

/** Writes a vector of which the bytes in `mask` are such, eight at a time; 16 bytes and as many as there are in `mask`. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
function spread(chunk: v128, mask: u32, o: usize): void {
  const letters = i8x16.swizzle(LETTERS, chunk);
  const bytes = v128.or(letters, v128.andnot(chunk, i8x16.ne(letters, i8x16.splat(0))));
  const low = v128.shuffle<u8>(bytes, BACKSLASHES, 0, 1, 2, 3, 4, 5, 6, 7, 16, 16, 16, 16, 16, 16, 16, 16);
  const high = v128.shuffle<u8>(bytes, BACKSLASHES, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 16, 16, 16, 16, 16, 16);
  const front = mask & 255;
  v128.store(o, i8x16.swizzle(low, v128.load(SPREADS + (<usize>front << 4))));
  const behind = o + 8 + <usize>popcnt(front);
  v128.store(behind, i8x16.swizzle(high, v128.load(SPREADS + (<usize>(mask >> 8) << 4))));
}

/**
 * Writes what stands between the quotes of a JSON string, and the one that closes it; escaped as src/frame/json-escape.ts has it.
 * May read, but not judge, 15 bytes behind the text, and leave rubbish in 16 behind what it writes.
 *
 * A vector is stored whole, or spread out where bytes get a backslash. Only behind a byte that needs \uXXXX its rest is stored
 * again.
 * @returns where it ends; 0 for text that is no UTF-8
 */
export function writeString(start: usize, end: usize, to: usize): usize {
  let i = start;
  let o = to;
  while (true) {
    const chunk = v128.load(i);
    v128.store(o, chunk);
    let mask = specialBytes(chunk);
    const left = end - i;
    if (left <= 16) {
      mask &= (1 << <u32>left) - 1;
      if (mask == 0) {
        store<u8>(o + left, 0x22);
        return o + left + 1;
      }
    } else if (mask == 0) {
      i += 16;
      o += 16;
      continue;
    }
    const length = left < 16 ? left : 16;
    if ((mask & ~simpleBytes(chunk)) == 0) {
      spread(chunk, mask, o);
      i += length;
      o += length + <usize>popcnt(mask);
      continue;
    }
    const chunkEnd = i + length;
    do {
      const clean = ctz(mask);
      i += clean;
      o += clean;
      const byte = <usize>load<u8>(i);
      if (byte >= 0x80) {
        return isUtf8(i, end) ? writeUnicode(i, end, o) : 0;
      }
      const escape = load<u64>(ESCAPES + byte * 8);
      store<u64>(o, escape);
      o += <usize>(escape >> 56);
      i++;
      v128.store(o, v128.load(i));
      mask >>= clean + 1;
    } while (mask != 0);
    o += chunkEnd - i;
    i = chunkEnd;
  }
}

/** The same for what is known to be UTF-8. U+0080 to U+009F, U+2028 and U+2029 are found by looking at two and three bytes at once. */
function writeUnicode(start: usize, end: usize, to: usize): usize {
  let i = start;
  let o = to;
  while (i < end) {
    const chunk = v128.load(i);
    v128.store(o, chunk);
    const second = v128.load(i + 1);
    const third = v128.or(v128.load(i + 2), i8x16.splat(1));
    const ascii = v128.or(
      v128.or(i8x16.lt_u(chunk, i8x16.splat(0x20)), i8x16.eq(chunk, i8x16.splat(0x22))),
      v128.or(i8x16.eq(chunk, BACKSLASHES), i8x16.eq(chunk, i8x16.splat(0x7f))),
    );
    const control = v128.and(i8x16.eq(chunk, i8x16.splat(<i8>0xc2)), i8x16.lt_u(second, i8x16.splat(<i8>0xa0)));
    const separator = v128.and(
      v128.and(i8x16.eq(chunk, i8x16.splat(<i8>0xe2)), i8x16.eq(second, i8x16.splat(<i8>0x80))),
      i8x16.eq(third, i8x16.splat(<i8>0xa9)),
    );
    let mask = <u32>i8x16.bitmask(v128.or(ascii, v128.or(control, separator)));
    const left = end - i;
    const length = left < 16 ? left : 16;
    mask &= (1 << <u32>length) - 1;
    if ((mask & ~simpleBytes(chunk)) == 0) {
      if (mask != 0) {
        spread(chunk, mask, o);
      }
      i += length;
      o += length + <usize>popcnt(mask);
      continue;
    }
    const chunkEnd = i + length;
    while (mask != 0) {
      const clean = ctz(mask);
      i += clean;
      o += clean;
      const byte = <usize>load<u8>(i);
      let taken = 1;
      if (byte < 0x80) {
        const escape = load<u64>(ESCAPES + byte * 8);
        store<u64>(o, escape);
        o += <usize>(escape >> 56);
      } else if (byte == 0xc2) {
        o = writeHex(<u32>load<u8>(i + 1), o);
        taken = 2;
      } else {
        o = writeHex(0x2028 + <u32>(load<u8>(i + 2) & 1), o);
        taken = 3;
      }
      i += taken;
      v128.store(o, v128.load(i));
      mask >>= clean + taken;
    }
    // A sequence that was escaped may have ended behind the vector.
    if (i < chunkEnd) {
      o += chunkEnd - i;
      i = chunkEnd;
    }
  }
  store<u8>(o, 0x22);
  return o + 1;
}
