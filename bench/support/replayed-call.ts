import { FRAME_HEADER_BYTES, type PreparedBody } from './http2-wire.js';
import type { ReplayOptions } from './replay-connection.js';

const GRPC_PREFIX_BYTES = 5;

/** One call of a replay: what of its body may go out next, and what its response says. */
export class ReplayedCall {
  window: number;
  /** The last header block: status and message when the call failed. */
  trailers: Buffer = Buffer.alloc(0);
  readonly #body: PreparedBody;
  readonly #options: ReplayOptions;
  readonly #sentAt: number[] = [];
  #sentFrames = 0;
  #acknowledged = 0;
  #response: Buffer = Buffer.alloc(0);

  constructor(body: PreparedBody, options: ReplayOptions, window: number) {
    this.#body = body;
    this.#options = options;
    this.window = window;
  }

  get isAcknowledged(): boolean {
    return this.#acknowledged === this.#body.messages;
  }

  /** Up to so many whole frames that fit into both windows, as they lie in the body; null when none may be sent. */
  next(connectionWindow: number, framesMax: number): { readonly frames: Buffer; readonly payload: number } | null {
    const { bytes, frameEnds } = this.#body;
    const first = this.#sentFrames;
    const limit = Math.min(this.#framesAllowed, first + framesMax);
    const start = frameEnds[first - 1] ?? 0;
    let end = start;
    let room = Math.min(this.window, connectionWindow);
    while (this.#sentFrames < limit) {
      const frameEnd = frameEnds[this.#sentFrames] ?? end;
      const payload = frameEnd - end - FRAME_HEADER_BYTES;
      if (payload > room) {
        break;
      }
      room -= payload;
      end = frameEnd;
      this.#sentFrames++;
    }
    if (end === start) {
      return null;
    }
    this.#stamp();
    const payload = end - start - (this.#sentFrames - first) * FRAME_HEADER_BYTES;
    this.window -= payload;
    return { frames: bytes.subarray(start, end), payload };
  }

  received(payload: Buffer): void {
    this.#response = Buffer.concat([this.#response, payload]);
    while (this.#response.length >= GRPC_PREFIX_BYTES) {
      const end = GRPC_PREFIX_BYTES + this.#response.readUInt32BE(1);
      if (this.#response.length < end) {
        return;
      }
      this.#acknowledge(this.#options.take(this.#response.subarray(GRPC_PREFIX_BYTES, end), this.#body));
      this.#response = this.#response.subarray(end);
    }
  }

  get #framesAllowed(): number {
    const { frameEnds, messageFrames, messages } = this.#body;
    const message = Math.min(messages, this.#acknowledged + this.#options.inFlight);
    return messageFrames.length === 0 ? frameEnds.length : (messageFrames[message - 1] ?? 0);
  }

  #stamp(): void {
    const { messageFrames } = this.#body;
    while ((messageFrames[this.#sentAt.length] ?? Number.POSITIVE_INFINITY) <= this.#sentFrames) {
      this.#sentAt.push(performance.now());
    }
  }

  #acknowledge(messages: number): void {
    if (
      messages < this.#acknowledged ||
      messages > this.#body.messages ||
      this.#sentAt.length < this.#least(messages)
    ) {
      throw new Error(
        `message ${messages} is acknowledged after ${this.#acknowledged}, of ${this.#sentAt.length} sent`,
      );
    }
    const now = performance.now();
    for (; this.#acknowledged < messages; this.#acknowledged++) {
      const sentAt = this.#sentAt[this.#acknowledged];
      if (sentAt !== undefined) {
        this.#options.latencies.push(now - sentAt);
      }
    }
  }

  /** Messages that must have been sent to be acknowledged; where frames hold several, nobody counts. */
  #least(messages: number): number {
    return this.#body.messageFrames.length === 0 ? 0 : messages;
  }
}
