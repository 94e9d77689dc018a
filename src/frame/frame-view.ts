import type { FrameProblem } from './frame-problem.js';
import {
  NANOS_MAX,
  PRODUCER_ID_BYTES_MAX,
  SEQ_MAX,
  SESSION_ID_BYTES_MAX,
  TIME_SECONDS_MAX,
  TIME_SECONDS_MIN,
} from './limits.js';
import { DELIMITED, VARINT, WireReader } from './wire.js';

const NOT_A_FRAME: FrameProblem = { field: 'frame', reason: 'is not a valid LogFrame message' };
const WRONG_WIRE_TYPE: FrameProblem = { field: 'frame', reason: 'has a field of LogFrame in a wrong wire type' };
/** Also of whoever asks for a session. */
export const NO_SESSION_ID: FrameProblem = { field: 'session_id', reason: 'is empty' };
export const LONG_SESSION_ID: FrameProblem = { field: 'session_id', reason: 'is longer than 1,024 bytes' };
export const LONG_PRODUCER_ID: FrameProblem = {
  field: 'producer_id',
  reason: `is longer than ${PRODUCER_ID_BYTES_MAX} bytes`,
};
const BAD_SEQ: FrameProblem = { field: 'seq', reason: 'is outside 0 to 2^53-1' };
const BAD_PRODUCER_SEQ: FrameProblem = { field: 'producer_seq', reason: 'is outside 0 to 2^53-1' };
const BAD_TIME: FrameProblem = {
  field: 'time',
  reason: 'is outside 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z',
};
const BAD_NANOS: FrameProblem = { field: 'time', reason: 'has nanos outside 0 to 999,999,999' };

const wire = new WireReader();

/**
 * Where the fields of one LogFrame stand in its bytes; one instance is reused for every frame.
 *
 * A string that is empty on the wire and one that is absent are the same: its start equals its end. Offsets count from
 * the start of `bytes`. After `parse` has reported a problem the fields hold nothing of use.
 *
 * # Reading the wire
 *
 * Fields may come in any order. When one comes more than once the last one counts, and for `time` and `metadata` it
 * replaces the earlier one whole (protobufjs; C++ would merge the two). Unknown fields of every wire type are stepped
 * over, so that newer agents can talk to older servers. A known field in a wrong wire type is refused: the parsers in
 * use disagree on it, and to step over it would drop what an agent said.
 */
export class FrameView {
  /** The message the offsets point into. */
  bytes: Uint8Array = Buffer.alloc(0);
  /** Where the frame stands in `bytes`. */
  start = 0;
  end = 0;

  sessionIdStart = 0;
  sessionIdEnd = 0;
  userIdStart = 0;
  userIdEnd = 0;
  roleStart = 0;
  roleEnd = 0;
  contentStart = 0;
  contentEnd = 0;
  producerIdStart = 0;
  producerIdEnd = 0;

  /** True also for an empty Struct, which is not the same as none. */
  hasMetadata = false;
  metadataStart = 0;
  metadataEnd = 0;

  hasTime = false;
  /** Unix seconds, rounded down: negative before 1970. */
  seconds = 0;
  /** 0 to 999,999,999, forward from `seconds`. */
  nanos = 0;

  version = 0;
  /** 0: the service assigns it. */
  seq = 0;
  /** 0: none. */
  producerSeq = 0;

  /**
   * Parses the top level of the LogFrame at `bytes[start]` up to `end`. Does not look inside `metadata`; keeps `bytes`.
   * @returns null when the frame can be stored as far as this can tell, else why not
   */
  parse(bytes: Uint8Array, start: number, end: number): FrameProblem | null {
    this.reset(bytes, start, end);
    let position = start;
    while (position < end) {
      position = wire.readTag(bytes, position, end);
      if (position < 0) {
        return NOT_A_FRAME;
      }
      const tag = wire.tag;
      const field = tag >>> 3;
      switch (tag & 7) {
        case DELIMITED: {
          const fieldEnd = wire.readDelimited(bytes, position, end);
          if (fieldEnd < 0) {
            return NOT_A_FRAME;
          }
          const problem = this.takeDelimited(field, wire.payload, fieldEnd);
          if (problem !== null) {
            return problem;
          }
          position = fieldEnd;
          break;
        }
        case VARINT:
          position = wire.varint.read(bytes, position, end);
          if (position < 0) {
            return NOT_A_FRAME;
          }
          if (!this.takeVarint(field)) {
            return WRONG_WIRE_TYPE;
          }
          break;
        default:
          position = wire.skip(bytes, position, end, tag);
          if (position < 0) {
            return NOT_A_FRAME;
          }
          if (field <= 10) {
            return WRONG_WIRE_TYPE;
          }
      }
    }
    return this.validate();
  }

  private reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.sessionIdStart = 0;
    this.sessionIdEnd = 0;
    this.userIdStart = 0;
    this.userIdEnd = 0;
    this.roleStart = 0;
    this.roleEnd = 0;
    this.contentStart = 0;
    this.contentEnd = 0;
    this.producerIdStart = 0;
    this.producerIdEnd = 0;
    this.hasMetadata = false;
    this.metadataStart = 0;
    this.metadataEnd = 0;
    this.hasTime = false;
    this.seconds = 0;
    this.nanos = 0;
    this.version = 0;
    this.seq = 0;
    this.producerSeq = 0;
  }

  private takeDelimited(field: number, start: number, end: number): FrameProblem | null {
    switch (field) {
      case 2:
        return this.takeTime(start, end);
      case 3:
        this.sessionIdStart = start;
        this.sessionIdEnd = end;
        return null;
      case 4:
        this.userIdStart = start;
        this.userIdEnd = end;
        return null;
      case 5:
        this.roleStart = start;
        this.roleEnd = end;
        return null;
      case 7:
        this.contentStart = start;
        this.contentEnd = end;
        return null;
      case 8:
        this.hasMetadata = true;
        this.metadataStart = start;
        this.metadataEnd = end;
        return null;
      case 9:
        this.producerIdStart = start;
        this.producerIdEnd = end;
        return null;
      case 1:
      case 6:
      case 10:
        return WRONG_WIRE_TYPE;
      default:
        return null;
    }
  }

  /** Takes the varint just read. False: the field is a known one and no varint. */
  private takeVarint(field: number): boolean {
    switch (field) {
      case 1:
        this.version = wire.varint.low;
        return true;
      case 6:
        this.seq = wire.varint.signed();
        return true;
      case 10:
        this.producerSeq = wire.varint.signed();
        return true;
      default:
        return field > 10;
    }
  }

  /** Reads a google.protobuf.Timestamp: 1 seconds int64, 2 nanos int32. */
  private takeTime(start: number, end: number): FrameProblem | null {
    const bytes = this.bytes;
    this.hasTime = true;
    this.seconds = 0;
    this.nanos = 0;
    let position = start;
    while (position < end) {
      position = wire.readTag(bytes, position, end);
      if (position < 0) {
        return NOT_A_FRAME;
      }
      const tag = wire.tag;
      const field = tag >>> 3;
      position = wire.skip(bytes, position, end, tag);
      if (position < 0) {
        return NOT_A_FRAME;
      }
      if (field <= 2 && (tag & 7) !== VARINT) {
        return WRONG_WIRE_TYPE;
      }
      if (field === 1) {
        this.seconds = wire.varint.signed();
      } else if (field === 2) {
        this.nanos = wire.varint.low;
      }
    }
    return null;
  }

  private validate(): FrameProblem | null {
    const sessionIdBytes = this.sessionIdEnd - this.sessionIdStart;
    if (sessionIdBytes === 0) {
      return NO_SESSION_ID;
    }
    if (sessionIdBytes > SESSION_ID_BYTES_MAX) {
      return LONG_SESSION_ID;
    }
    if (this.producerIdEnd - this.producerIdStart > PRODUCER_ID_BYTES_MAX) {
      return LONG_PRODUCER_ID;
    }
    if (this.seq < 0 || this.seq > SEQ_MAX) {
      return BAD_SEQ;
    }
    if (this.producerSeq < 0 || this.producerSeq > SEQ_MAX) {
      return BAD_PRODUCER_SEQ;
    }
    if (this.seconds < TIME_SECONDS_MIN || this.seconds > TIME_SECONDS_MAX) {
      return BAD_TIME;
    }
    return this.nanos < 0 || this.nanos > NANOS_MAX ? BAD_NANOS : null;
  }
}
