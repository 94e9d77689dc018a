import type { FrameProblem } from './frame-problem.js';
import { frameSource } from './frame-source.js';
import type { FrameView } from './frame-view.js';
import { ROOM_BYTES } from './json-escape.js';
import { writeInteger, writeUnsigned } from './json-number.js';
import { writeJsonString } from './json-string.js';
import { KeyFragment } from './key-fragment.js';
import type { LineBuffer } from './line-buffer.js';
import { StructEncoder } from './struct-encoder.js';
import { TimestampWriter } from './timestamp.js';

const SEQ = new KeyFragment('{"seq":');
const TIME = new KeyFragment(',"time":"');
const SESSION_ID = new KeyFragment('","session_id":');
const USER_ID = new KeyFragment(',"user_id":"');
const ROLE = new KeyFragment(',"role":"');
const CONTENT = new KeyFragment(',"content":"');
const METADATA = new KeyFragment(',"metadata":');
const VERSION = new KeyFragment(',"version":');
const PRODUCER_ID = new KeyFragment(',"producer_id":"');
const PRODUCER_SEQ = new KeyFragment(',"producer_seq":');
const END = new KeyFragment('}\n');

/** From here on the native copy of a session id is faster than a loop. */
const LONG_COPY_BYTES = 32;

const structs = new StructEncoder();

/**
 * Encodes a LogFrame as its line, from protobuf bytes to JSON bytes, without an object in between.
 *
 *     {"seq":7,"time":"2026-11-21T10:00:00.123456789Z","session_id":"build-42","user_id":"u1","role":"assistant",
 *      "content":"…","metadata":{…},"version":1,"producer_id":"w3","producer_seq":9}⏎
 *
 * Keys stand in this order; those after `session_id` are absent when the field is empty or 0. The values are protobuf's
 * JSON mapping, except that 64-bit numbers are JSON numbers (they are at most 2^53-1). A line holds no byte below 0x20
 * but the "\n" at its end, and it is valid UTF-8, whatever the frame held.
 */
export class LineEncoder {
  private readonly timestamps = new TimestampWriter();

  /**
   * Appends the line of `view` to `out` and moves `out.length`.
   * @param view a frame that `parse` found no problem with; its bytes have not changed since
   * @param sessionIdJson what encodeSessionIdJson made of the session's id, once for all its lines
   * @param seq the number to store, 1 to 2^53-1; `view.seq` is ignored
   * @param serverTimeMs Unix milliseconds, a whole number: the time of a frame that has none
   * @returns null; or why the metadata cannot be stored, and `out.length` is where it was
   */
  encode(
    view: FrameView,
    sessionIdJson: Uint8Array,
    seq: number,
    serverTimeMs: number,
    out: LineBuffer,
  ): FrameProblem | null {
    const source = frameSource;
    source.load(view.bytes, view.start, view.end);
    let o = out.length;
    out.reserve(o, sessionIdJson.length + 2 * ROOM_BYTES);
    o = SEQ.write(out.view, o);
    o = writeUnsigned(seq, out.view, o);
    o = TIME.write(out.view, o);
    o = this.writeTime(view, serverTimeMs, out.view, o);
    o = SESSION_ID.write(out.view, o);
    o = copyShort(sessionIdJson, out.bytes, o);
    if (view.userIdEnd !== view.userIdStart) {
      o = writeJsonString(USER_ID, source, view.userIdStart, view.userIdEnd, out, o);
    }
    if (view.roleEnd !== view.roleStart) {
      o = writeJsonString(ROLE, source, view.roleStart, view.roleEnd, out, o);
    }
    if (view.contentEnd !== view.contentStart) {
      o = writeJsonString(CONTENT, source, view.contentStart, view.contentEnd, out, o);
    }
    if (view.hasMetadata) {
      o = METADATA.write(out.view, o);
      o = structs.write(source, view.metadataStart, view.metadataEnd, out, o);
      if (o < 0) {
        return structs.lastProblem;
      }
      out.reserve(o, ROOM_BYTES);
    }
    if (view.version !== 0) {
      o = VERSION.write(out.view, o);
      o = writeInteger(view.version, out.view, o);
    }
    if (view.producerIdEnd !== view.producerIdStart) {
      o = writeJsonString(PRODUCER_ID, source, view.producerIdStart, view.producerIdEnd, out, o);
    }
    if (view.producerSeq !== 0) {
      o = PRODUCER_SEQ.write(out.view, o);
      o = writeUnsigned(view.producerSeq, out.view, o);
    }
    out.length = END.write(out.view, o);
    return null;
  }

  private writeTime(view: FrameView, serverTimeMs: number, to: DataView, at: number): number {
    if (view.hasTime) {
      return this.timestamps.write(view.seconds, view.nanos, to, at);
    }
    const seconds = Math.floor(serverTimeMs / 1000);
    return this.timestamps.write(seconds, (serverTimeMs - seconds * 1000) * 1_000_000, to, at);
  }
}

function copyShort(bytes: Uint8Array, target: Buffer, at: number): number {
  if (bytes.length > LONG_COPY_BYTES) {
    target.set(bytes, at);
  } else {
    const length = bytes.length;
    let i = 0;
    // Below the length: the `!` stand on it.
    for (; i + 4 <= length; i += 4) {
      target[at + i] = bytes[i]!;
      target[at + i + 1] = bytes[i + 1]!;
      target[at + i + 2] = bytes[i + 2]!;
      target[at + i + 3] = bytes[i + 3]!;
    }
    for (; i < length; i++) {
      target[at + i] = bytes[i]!;
    }
  }
  return at + bytes.length;
}
