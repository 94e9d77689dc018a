import {
  content,
  contentEnd,
  hasTime,
  metadata,
  metadataEnd,
  nanos,
  producerId,
  producerIdEnd,
  producerSeq,
  role,
  roleEnd,
  seconds,
  userId,
  userIdEnd,
  version,
} from './frame';
import { copyShort, ID_JSON, put } from './layout';
import { writeUnsigned } from './numbers';
import { writeShort, writeString } from './strings';
import { writeStruct } from './struct';
import { writeTime } from './time';

const SEQ: usize = put('{"seq":', memory.data(16, 16));
const TIME: usize = put(',"time":"', memory.data(16, 16));
const USER_ID: usize = put(',"user_id":"', memory.data(16, 16));
const ROLE: usize = put(',"role":"', memory.data(16, 16));
const CONTENT: usize = put(',"content":"', memory.data(16, 16));
const METADATA: usize = put(',"metadata":', memory.data(16, 16));
const VERSION: usize = put(',"version":', memory.data(16, 16));
const PRODUCER_ID: usize = put(',"producer_id":"', memory.data(16, 16));
const PRODUCER_SEQ: usize = put(',"producer_seq":', memory.data(16, 16));

/** What a line has besides what comes from the bytes of its frame and the session's id: keys, numbers, time, punctuation. */
export const FIXED_BYTES_MAX: usize = 1024;
/** A byte of a frame becomes at most so many of its line: an escape such as \u0007. */
export const ESCAPE_BYTES_MAX: usize = 6;

/**
 * Writes the line of the frame that was read last.
 * @param idJsonBytes of what stands at ID_JSON
 * @returns where it ends; 0 when it has something that is not written here
 */
export function writeLine(to: usize, seq: u64, serverSeconds: i64, serverNanos: u32, idJsonBytes: usize): usize {
  let o = to;
  v128.store(o, v128.load(SEQ));
  o = writeUnsigned(seq, o + 7);
  v128.store(o, v128.load(TIME));
  o = hasTime ? writeTime(seconds, nanos, o + 9) : writeTime(serverSeconds, serverNanos, o + 9);
  o = copyShort(ID_JSON, idJsonBytes, o);
  if (userIdEnd != userId) {
    v128.store(o, v128.load(USER_ID));
    o = writeShort(userId, userIdEnd, o + 12);
    if (o == 0) {
      return 0;
    }
  }
  if (roleEnd != role) {
    v128.store(o, v128.load(ROLE));
    o = writeShort(role, roleEnd, o + 9);
    if (o == 0) {
      return 0;
    }
  }
  if (contentEnd != content) {
    v128.store(o, v128.load(CONTENT));
    o = writeString(content, contentEnd, o + 12);
    if (o == 0) {
      return 0;
    }
  }
  if (metadata != 0) {
    v128.store(o, v128.load(METADATA));
    o = writeStruct(metadata, metadataEnd, o + 12, 0);
    if (o == 0) {
      return 0;
    }
  }
  return writeEnd(o);
}

function writeEnd(to: usize): usize {
  let o = to;
  if (version != 0) {
    v128.store(o, v128.load(VERSION));
    o = writeUnsigned(version, o + 11);
  }
  if (producerIdEnd != producerId) {
    v128.store(o, v128.load(PRODUCER_ID));
    o = writeShort(producerId, producerIdEnd, o + 16);
    if (o == 0) {
      return 0;
    }
  }
  if (producerSeq != 0) {
    v128.store(o, v128.load(PRODUCER_SEQ));
    o = writeUnsigned(producerSeq, o + 16);
  }
  store<u16>(o, 0x0a7d);
  return o + 2;
}
