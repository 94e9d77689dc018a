import { PRODUCER_ID_BYTES_MAX, SESSION_ID_BYTES_MAX } from './layout';
import { NANOS_MAX, TIME_SECONDS_MAX } from './time';
import { next, readDelimited, readVarint } from './wire';

const SEQ_MAX: i64 = 9007199254740991;
const INT32_MAX: i64 = 0x7fffffff;

/** Where the fields of the frame read last stand; an empty one starts where it ends. */
export let sessionId: usize = 0;
export let sessionIdEnd: usize = 0;
export let userId: usize = 0;
export let userIdEnd: usize = 0;
export let role: usize = 0;
export let roleEnd: usize = 0;
export let content: usize = 0;
export let contentEnd: usize = 0;
/** 0 without metadata: an empty Struct is not the same as none. */
export let metadata: usize = 0;
export let metadataEnd: usize = 0;
export let producerId: usize = 0;
export let producerIdEnd: usize = 0;
export let hasTime: bool = false;
export let seconds: i64 = 0;
export let nanos: u32 = 0;
export let version: u64 = 0;
export let producerSeq: u64 = 0;

/**
 * Reads the top level of a LogFrame as serializers write it: no field twice, none unknown, all within their limits, no number
 * of its own, no time before 1970.
 * @returns false for any other, be it storable or not
 */
export function readFrame(start: usize, end: usize): bool {
  sessionId = sessionIdEnd = userId = userIdEnd = role = roleEnd = content = contentEnd = 0;
  metadata = metadataEnd = producerId = producerIdEnd = 0;
  hasTime = false;
  version = producerSeq = 0;
  let seen: u32 = 0;
  let i = start;
  while (i < end) {
    const tag = <u32>load<u8>(i++);
    const bit: u32 = 1 << (tag >> 3);
    if ((seen & bit) != 0) {
      return false;
    }
    seen |= bit;
    if ((tag & 7) == 0) {
      const value = readVarint(i, end);
      if (value < 0 || !takeVarint(tag, value)) {
        return false;
      }
      i = next;
      continue;
    }
    const fieldEnd = readDelimited(i, end);
    if (fieldEnd == 0) {
      return false;
    }
    i = next;
    switch (tag) {
      case 0x12:
        if (!takeTime(i, fieldEnd)) {
          return false;
        }
        break;
      case 0x1a:
        sessionId = i;
        sessionIdEnd = fieldEnd;
        break;
      case 0x22:
        userId = i;
        userIdEnd = fieldEnd;
        break;
      case 0x2a:
        role = i;
        roleEnd = fieldEnd;
        break;
      case 0x3a:
        content = i;
        contentEnd = fieldEnd;
        break;
      case 0x42:
        metadata = i;
        metadataEnd = fieldEnd;
        break;
      case 0x4a:
        producerId = i;
        producerIdEnd = fieldEnd;
        break;
      default:
        return false;
    }
    i = fieldEnd;
  }
  const idBytes = sessionIdEnd - sessionId;
  return idBytes != 0 && idBytes <= SESSION_ID_BYTES_MAX && producerIdEnd - producerId <= PRODUCER_ID_BYTES_MAX;
}

function takeVarint(tag: u32, value: i64): bool {
  switch (tag) {
    case 0x08:
      version = <u64>value;
      return value <= INT32_MAX;
    case 0x30:
      // A seq of the client's.
      return value == 0;
    case 0x50:
      producerSeq = <u64>value;
      return value <= SEQ_MAX;
    default:
      return false;
  }
}

/** Reads a google.protobuf.Timestamp: 1 seconds, 2 nanos, in this order. */
function takeTime(start: usize, end: usize): bool {
  hasTime = true;
  seconds = 0;
  nanos = 0;
  let i = start;
  if (i < end && load<u8>(i) == 0x08) {
    seconds = readVarint(i + 1, end);
    if (seconds < 0 || seconds > TIME_SECONDS_MAX) {
      return false;
    }
    i = next;
  }
  if (i < end && load<u8>(i) == 0x10) {
    const value = readVarint(i + 1, end);
    if (value < 0 || value > NANOS_MAX) {
      return false;
    }
    nanos = <u32>value;
    i = next;
  }
  return i == end;
}
