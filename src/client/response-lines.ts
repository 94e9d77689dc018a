import { FrameView } from '../frame/frame-view.js';
import { LineBuffer } from '../frame/line-buffer.js';
import { LineEncoder } from '../frame/line-encoder.js';
import { encodeSessionIdJson } from '../frame/session-id.js';
import { WireReader } from '../frame/wire.js';

/** StreamSessionLogsResponse.frame, delimited. */
const FRAME_TAG = (1 << 3) | 2;
const FIRST_BYTES = 16 * 1024;

const wire = new WireReader();

/** Gathers the frames of StreamSessionLogsResponse messages as the lines that they are stored as. */
export class ResponseLines {
  /** Of the last line. */
  lastSeq = 0;
  readonly #view = new FrameView();
  readonly #encoder = new LineEncoder();
  readonly #sessionIdJson: Uint8Array;
  #lines = new LineBuffer(FIRST_BYTES);

  constructor(sessionId: string) {
    this.#sessionIdJson = encodeSessionIdJson(sessionId);
  }

  /** Of the lines that are gathered. */
  get length(): number {
    return this.#lines.length;
  }

  /** False: the message holds no frame, but another event. @throws when the frame can't be read */
  add(message: Buffer): boolean {
    const start = wire.readTag(message, 0, message.length);
    if (start < 0 || wire.tag !== FRAME_TAG) {
      return false;
    }
    const end = wire.readDelimited(message, start, message.length);
    const view = this.#view;
    const problem =
      end < 0
        ? { field: 'frame', reason: 'is cut off' }
        : (view.parse(message, wire.payload, end) ??
          this.#encoder.encode(view, this.#sessionIdJson, view.seq, 0, this.#lines));
    if (problem !== null) {
      throw new Error(`${problem.field} ${problem.reason}`);
    }
    this.lastSeq = view.seq;
    return true;
  }

  /** The lines so far, in memory of their own. */
  take(): Buffer {
    const { bytes, length } = this.#lines;
    this.#lines = new LineBuffer(FIRST_BYTES);
    return bytes.subarray(0, length);
  }
}
