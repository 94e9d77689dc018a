import { writeNumber } from './numbers';
import { writeShort, writeString } from './strings';
import { next, readDelimited } from './wire';

/** Objects and lists within one another; each is two of the 100 messages that src/frame/limits.ts allows. */
const DEPTH_MAX: usize = 16;
/** Of one object. */
const KEYS_MAX: usize = 64;
const KEYS: usize = memory.data(16 * 64 * 8 + 16, 16);

const NULL: u32 = 0x6c6c756e;
const TRUE: u32 = 0x65757274;
const FALSE: u64 = 0x65736c6166;

/**
 * Writes a google.protobuf.Struct as every serializer has it: entries of a key and a value, in this order, no key twice.
 * @param depth from 0
 * @returns where the object ends; 0 for anything else
 */
export function writeStruct(start: usize, end: usize, to: usize, depth: usize): usize {
  if (depth >= DEPTH_MAX) {
    return 0;
  }
  const keys = KEYS + depth * (KEYS_MAX * 8);
  let count: usize = 0;
  let i = start;
  let o = to;
  store<u8>(o, 0x7b);
  while (i < end) {
    if (load<u8>(i) != 0x0a) {
      return 0;
    }
    const entryEnd = readDelimited(i + 1, end);
    i = next;
    if (entryEnd == 0 || i >= entryEnd || load<u8>(i) != 0x0a) {
      return 0;
    }
    const keyEnd = readDelimited(i + 1, entryEnd);
    const key = next;
    if (keyEnd == 0 || keyEnd >= entryEnd || load<u8>(keyEnd) != 0x12) {
      return 0;
    }
    const valueEnd = readDelimited(keyEnd + 1, entryEnd);
    const value = next;
    if (valueEnd != entryEnd || !add(keys, count, key, keyEnd)) {
      return 0;
    }
    // A comma, or again the brace.
    store<u8>(o, count == 0 ? 0x7b : 0x2c);
    count++;
    store<u8>(o + 1, 0x22);
    o = writeShort(key, keyEnd, o + 2);
    if (o == 0) {
      return 0;
    }
    store<u8>(o, 0x3a);
    const length = valueEnd - value;
    // One short string, which most values are. Of two bytes there may be one, or none: the length tells.
    if (length - 2 < 128 && load<u8>(value) == 0x1a && <usize>load<u8>(value + 1) == length - 2) {
      store<u8>(o + 1, 0x22);
      o = writeShort(value + 2, valueEnd, o + 2);
    } else {
      o = writeValue(value, valueEnd, o + 1, depth);
    }
    if (o == 0) {
      return 0;
    }
    i = entryEnd;
  }
  o += <usize>(count == 0);
  store<u8>(o, 0x7d);
  return o + 1;
}

/**
 * Adds a key to those of its object.
 * @returns false when it may be there already, or there are too many
 */
function add(keys: usize, count: usize, key: usize, keyEnd: usize): bool {
  if (count >= KEYS_MAX) {
    return false;
  }
  // Its length, its first eight bytes and its last: equal keys are equal in this, and few others.
  const length = keyEnd - key;
  let hash = load<u64>(key);
  if (length < 8) {
    hash &= (<u64>1 << (<u64>length * 8)) - 1;
  } else {
    hash ^= load<u64>(keyEnd - 8) * 0x9e3779b97f4a7c15;
  }
  hash ^= <u64>length << 56;
  const wanted = i64x2.splat(hash);
  store<u64>(keys + count * 8, hash);
  // Two at a time; the one that was just added is no match for itself.
  let found = i64x2.splat(0);
  let i: usize = 0;
  for (; i + 2 <= count; i += 2) {
    found = v128.or(found, i64x2.eq(v128.load(keys + i * 8), wanted));
  }
  return !v128.any_true(found) && (i == count || load<u64>(keys + i * 8) != hash);
}

/** Writes a google.protobuf.Value of exactly one kind. */
function writeValue(start: usize, end: usize, o: usize, depth: usize): usize {
  const length = end - start;
  if (length < 2) {
    return 0;
  }
  switch (load<u8>(start)) {
    case 0x1a: {
      if (readDelimited(start + 1, end) != end) {
        return 0;
      }
      store<u8>(o, 0x22);
      return writeString(next, end, o + 1);
    }
    case 0x11:
      return length == 9 ? writeNumber(load<f64>(start + 1), o) : 0;
    case 0x20: {
      const bool = load<u8>(start + 1);
      if (length != 2 || bool > 1) {
        return 0;
      }
      store<u64>(o, bool != 0 ? <u64>TRUE : FALSE);
      return o + (bool != 0 ? 4 : 5);
    }
    case 0x08:
      store<u32>(o, NULL);
      return length == 2 && load<u8>(start + 1) == 0 ? o + 4 : 0;
    case 0x2a:
      return readDelimited(start + 1, end) == end ? writeStruct(next, end, o, depth + 1) : 0;
    case 0x32:
      return readDelimited(start + 1, end) == end ? writeList(next, end, o, depth + 1) : 0;
    default:
      return 0;
  }
}

/** Writes a google.protobuf.ListValue. */
function writeList(start: usize, end: usize, to: usize, depth: usize): usize {
  if (depth >= DEPTH_MAX) {
    return 0;
  }
  let o = to;
  store<u8>(o, 0x5b);
  for (let i = start; i < end; ) {
    if (load<u8>(i) != 0x0a) {
      return 0;
    }
    const valueEnd = readDelimited(i + 1, end);
    if (valueEnd == 0) {
      return 0;
    }
    store<u8>(o, i == start ? 0x5b : 0x2c);
    o = writeValue(next, valueEnd, o + 1, depth);
    if (o == 0) {
      return 0;
    }
    i = valueEnd;
  }
  o += <usize>(start == end);
  store<u8>(o, 0x5d);
  return o + 1;
}
