import type { FrameProblem } from './frame-problem.js';
import { BATCH_FRAMES_MAX, SEQ_MAX } from './limits.js';
import { DELIMITED, VARINT, WireReader } from './wire.js';

const NOT_A_BATCH: FrameProblem = { field: 'batch', reason: 'is not a valid WriteLogBatch message' };
const TOO_MANY_FRAMES: FrameProblem = { field: 'batch', reason: `has more than ${BATCH_FRAMES_MAX} frames` };
const BAD_ID: FrameProblem = { field: 'batch_id', reason: 'is outside 0 to 2^53-1' };
const BATCH_ID = 1;
const FRAMES = 2;

const wire = new WireReader();

/**
 * Where the frames of one WriteLogBatch stand in its bytes. Frames stay bytes, to be taken one by one.
 *
 * Fields may come in any order; of several batch_ids the last one counts; unknown fields are stepped over.
 */
export class BatchView {
  batchId = 0;
  /** Where the tag of frame i stands, in front of it. */
  readonly tags: number[] = [];
  /** Frame i is bytes[starts[i], ends[i]). */
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  /** @returns null, or why the message can't be read */
  parse(bytes: Uint8Array): FrameProblem | null {
    this.batchId = 0;
    this.tags.length = 0;
    this.starts.length = 0;
    this.ends.length = 0;
    for (let position = 0; position < bytes.length; ) {
      const start = position;
      position = wire.readTag(bytes, position, bytes.length);
      if (position < 0) {
        return NOT_A_BATCH;
      }
      position = this.takeField(bytes, start, position, wire.tag);
      if (position < 0) {
        return NOT_A_BATCH;
      }
      if (this.starts.length > BATCH_FRAMES_MAX) {
        return TOO_MANY_FRAMES;
      }
    }
    return this.batchId < 0 || this.batchId > SEQ_MAX ? BAD_ID : null;
  }

  /** @returns the position behind the field; -1 when it is malformed */
  private takeField(bytes: Uint8Array, start: number, position: number, tag: number): number {
    const field = tag >>> 3;
    if (field !== BATCH_ID && field !== FRAMES) {
      return wire.skip(bytes, position, bytes.length, tag);
    }
    if ((tag & 7) !== (field === BATCH_ID ? VARINT : DELIMITED)) {
      return -1;
    }
    if (field === FRAMES) {
      const end = wire.readDelimited(bytes, position, bytes.length);
      this.tags.push(start);
      this.starts.push(wire.payload);
      this.ends.push(end);
      return end;
    }
    const next = wire.varint.read(bytes, position, bytes.length);
    this.batchId = wire.varint.signed();
    return next;
  }
}
