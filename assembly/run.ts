/**
 * Encodes runs of frames of one session as lines. What is exported here is for src/frame/run-encoder.ts alone, which says what
 * it means. The numbers that come in are taken for true; the bytes of frames are not.
 *
 * Everything that is not certain here (repeated and unknown fields, text that is no UTF-8, odd numbers, what is malformed) is left
 * to the ordinary path: two places know what a frame means, and this one knows less.
 */
import { hasTime, producerId, producerIdEnd, producerSeq, readFrame, sessionId, sessionIdEnd } from './frame';
import { equal, IN, OUT, OUT_BYTES, PRODUCER_ID, RESULTS, SESSION_ID } from './layout';
import { ESCAPE_BYTES_MAX, FIXED_BYTES_MAX, writeLine } from './line';
import { TIME_SECONDS_MAX, TIME_SECONDS_MIN } from './time';
import { isUtf8 } from './utf8';
import { next, readLength } from './wire';

export { ID_JSON, IN, IN_BYTES, OUT, OUT_BYTES, PRODUCER_ID, RESULTS, SESSION_ID } from './layout';

// As in src/frame/run-encoder.ts.
const DONE = 0;
const OTHER_SESSION = 1;
const OTHER_PRODUCER = 2;
const SLOW = 3;
const FULL = 4;
const NO_ROOM = 5;
const GROUP = 0;

const SEQ_MAX: u64 = 9007199254740991;

// The run: what it was given.
let idBytes: usize = 0;
let idJsonBytes: usize = 0;
let producerIdBytes: usize = 0;
let maxFrameBytes: usize = 0;
let outputEnd: usize = 0;
let roomEnd: usize = 0;
let hasServerTime = false;
let serverSeconds: i64 = 0;
let serverNanos: u32 = 0;

// And where it is.
let seq: u64 = 0;
let mark: u64 = 0;
let out: usize = 0;
let duplicates = 0;
/** Of the frame being taken. */
let frameStart: usize = 0;

/** Finds the frame at `at` and sets `frameStart`. Returns its end; 0 when there is no whole and plain one. */
function findFrame(at: usize, end: usize, format: i32): usize {
  let length: usize;
  if (format == GROUP) {
    if (end - at < 5 || load<u8>(at) != 0) {
      return 0;
    }
    length = <usize>bswap<u32>(load<u32>(at + 1));
    at += 5;
  } else {
    const read = load<u8>(at) == 0x12 ? readLength(at + 1, end) : -1;
    if (read < 0) {
      return 0;
    }
    length = <usize>read;
    at = next;
  }
  frameStart = at;
  return length <= end - at && length <= maxFrameBytes ? at + length : 0;
}

/** Leaves where the id stands. One that is no UTF-8 is known under another one: not for here. */
function other(result: i32, id: usize, idEnd: usize): i32 {
  store<u32>(RESULTS, <u32>(id - IN), 20);
  store<u32>(RESULTS, <u32>(idEnd - IN), 24);
  return isUtf8(id, idEnd) ? result : SLOW;
}

/** Takes the frame up to `end`; all but DONE leave everything as it was. */
function take(end: usize): i32 {
  if (!readFrame(frameStart, end) || !(hasTime || hasServerTime) || seq >= SEQ_MAX) {
    return SLOW;
  }
  if (sessionIdEnd - sessionId != idBytes || !equal(sessionId, SESSION_ID, idBytes)) {
    return other(OTHER_SESSION, sessionId, sessionIdEnd);
  }
  const isNamed = producerSeq != 0 && producerIdEnd != producerId;
  if (isNamed) {
    if (producerIdEnd - producerId != producerIdBytes || !equal(producerId, PRODUCER_ID, producerIdBytes)) {
      return other(OTHER_PRODUCER, producerId, producerIdEnd);
    }
    if (producerSeq <= mark) {
      duplicates++;
      return DONE;
    }
  }
  if (out >= outputEnd) {
    return FULL;
  }
  if (out + (end - frameStart) * ESCAPE_BYTES_MAX + idJsonBytes + FIXED_BYTES_MAX > OUT + OUT_BYTES) {
    return out == OUT ? SLOW : FULL;
  }
  const lineEnd = writeLine(out, seq + 1, serverSeconds, serverNanos, idJsonBytes);
  if (lineEnd == 0) {
    return SLOW;
  }
  if (lineEnd > roomEnd) {
    return NO_ROOM;
  }
  out = lineEnd;
  seq++;
  if (isNamed) {
    mark = producerSeq;
  }
  return DONE;
}

function setServerTime(ms: f64): void {
  // Written so that NaN is none.
  hasServerTime = ms >= <f64>TIME_SECONDS_MIN * 1000 && ms < <f64>(TIME_SECONDS_MAX + 1) * 1000;
  if (hasServerTime) {
    serverSeconds = <i64>floor<f64>(ms / 1000);
    serverNanos = <u32>(<i64>ms - serverSeconds * 1000) * 1000000;
  }
}

/** Takes frames from `position` on, counted from IN as `end` is. */
export function encodeRun(
  position: u32,
  end: u32,
  format: i32,
  idLength: u32,
  idJsonLength: u32,
  producerIdLength: u32,
  frameBytesMax: u32,
  roomBytes: u32,
  outputBytes: u32,
  lastSeq: f64,
  producerMark: f64,
  serverTimeMs: f64,
): i32 {
  idBytes = idLength;
  idJsonBytes = idJsonLength;
  producerIdBytes = producerIdLength;
  maxFrameBytes = frameBytesMax;
  roomEnd = OUT + roomBytes;
  outputEnd = OUT + outputBytes;
  setServerTime(serverTimeMs);
  seq = <u64>lastSeq;
  mark = <u64>producerMark;
  out = OUT;
  duplicates = 0;
  let frameBytes: usize = 0;
  let at = IN + position;
  let result = DONE;
  while (at < IN + end) {
    const frameEnd = findFrame(at, IN + end, format);
    result = frameEnd == 0 ? SLOW : take(frameEnd);
    if (result != DONE) {
      break;
    }
    frameBytes += frameEnd - frameStart;
    at = frameEnd;
  }
  store<u32>(RESULTS, <u32>(at - IN));
  store<i32>(RESULTS, <i32>(seq - <u64>lastSeq), 4);
  store<i32>(RESULTS, duplicates, 8);
  store<u32>(RESULTS, <u32>(out - OUT), 12);
  store<u32>(RESULTS, <u32>frameBytes, 16);
  store<f64>(RESULTS, <f64>seq, 32);
  store<f64>(RESULTS, <f64>mark, 40);
  return result;
}
