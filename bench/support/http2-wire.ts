/**
 * As much of HTTP/2 (RFC 9113, RFC 7541) as replaying gRPC request bodies takes. Frames are made in advance, headers included, so
 * that sending is one write of a slice of one big buffer.
 */

export const FRAME_HEADER_BYTES = 9;
/** The largest that every server takes, and what Node's own client makes of a large body. */
export const DATA_PAYLOAD_BYTES = 16_384;
export const DEFAULT_WINDOW_BYTES = 65_535;

export const FrameType = {
  data: 0x0,
  headers: 0x1,
  resetStream: 0x3,
  settings: 0x4,
  ping: 0x6,
  goAway: 0x7,
  windowUpdate: 0x8,
} as const;

export const Flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4 } as const;
export const SETTING_INITIAL_WINDOW_SIZE = 0x4;
const SETTING_HEADER_TABLE_SIZE = 0x1;
const SETTING_ENABLE_PUSH = 0x2;

/** Responses name up to every session: room for them, so that this side never has to give windows back. */
const RESPONSE_WINDOW_BYTES = 64 * 1024 * 1024;
const GRPC_PREFIX_BYTES = 5;

/** One request body: DATA frames of at most DATA_PAYLOAD_BYTES each, the last one with END_STREAM. */
export interface PreparedBody {
  readonly streamId: number;
  readonly messages: number;
  /** Frames with their headers. */
  readonly bytes: Buffer;
  /** Where each DATA frame ends in `bytes`. */
  readonly frameEnds: readonly number[];
  /** How many DATA frames hold the messages up to each one; empty unless messages end their frames. */
  readonly messageFrames: readonly number[];
}

export class BodyBuilder {
  readonly #streamId: number;
  readonly #messagesEndFrames: boolean;
  #bytes = Buffer.allocUnsafe(1 << 16);
  #length = 0;
  #frameStart = 0;
  #payloadBytes = 0;
  #messages = 0;
  readonly #frameEnds: number[] = [];
  readonly #messageFrames: number[] = [];
  readonly #prefix = Buffer.alloc(GRPC_PREFIX_BYTES);

  /** @param messagesEndFrames no DATA frame holds two messages, as a producer's have it that sends one and waits */
  constructor(streamId: number, messagesEndFrames: boolean) {
    this.#streamId = streamId;
    this.#messagesEndFrames = messagesEndFrames;
    this.#openFrame();
  }

  append(message: Buffer): void {
    if (this.#messagesEndFrames && this.#messages > 0) {
      this.#closeFrame(0);
      this.#openFrame();
    }
    this.#prefix.writeUInt32BE(message.length, 1);
    this.#put(this.#prefix);
    this.#put(message);
    this.#messages++;
    if (this.#messagesEndFrames) {
      this.#messageFrames.push(this.#frameEnds.length + 1);
    }
  }

  finish(): PreparedBody {
    this.#closeFrame(Flag.endStream);
    return {
      streamId: this.#streamId,
      messages: this.#messages,
      bytes: this.#bytes.subarray(0, this.#length),
      frameEnds: this.#frameEnds,
      messageFrames: this.#messageFrames,
    };
  }

  #put(bytes: Buffer): void {
    let taken = 0;
    while (taken < bytes.length) {
      if (this.#payloadBytes === DATA_PAYLOAD_BYTES) {
        this.#closeFrame(0);
        this.#openFrame();
      }
      const count = Math.min(DATA_PAYLOAD_BYTES - this.#payloadBytes, bytes.length - taken);
      this.#reserve(count);
      bytes.copy(this.#bytes, this.#length, taken, taken + count);
      this.#length += count;
      this.#payloadBytes += count;
      taken += count;
    }
  }

  #openFrame(): void {
    this.#reserve(FRAME_HEADER_BYTES);
    this.#frameStart = this.#length;
    this.#length += FRAME_HEADER_BYTES;
    this.#payloadBytes = 0;
  }

  #closeFrame(flags: number): void {
    this.#bytes.set(frameHeader(this.#payloadBytes, FrameType.data, flags, this.#streamId), this.#frameStart);
    this.#frameEnds.push(this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length + count, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
  }
}

/** Everything a client says first: preface, settings, a wide window for responses. */
export function clientHello(): Buffer {
  const settings = Buffer.alloc(18);
  // No table: every header block can be read by itself.
  settings.writeUInt16BE(SETTING_HEADER_TABLE_SIZE, 0);
  settings.writeUInt16BE(SETTING_ENABLE_PUSH, 6);
  settings.writeUInt16BE(SETTING_INITIAL_WINDOW_SIZE, 12);
  settings.writeUInt32BE(RESPONSE_WINDOW_BYTES, 14);
  const increment = Buffer.alloc(4);
  increment.writeUInt32BE(RESPONSE_WINDOW_BYTES, 0);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frameHeader(settings.length, FrameType.settings, 0, 0),
    settings,
    frameHeader(increment.length, FrameType.windowUpdate, 0, 0),
    increment,
  ]);
}

/** Opens a gRPC call: literals without Huffman coding and without the dynamic table. */
export function callHeaders(streamId: number, authority: string, path: string): Buffer {
  const block = Buffer.concat([
    Buffer.from([0x83, 0x86]), // :method POST, :scheme http
    literal(Buffer.from([0x04]), path),
    literal(Buffer.from([0x01]), authority),
    literal(Buffer.from([0x0f, 0x10]), 'application/grpc'), // content-type
    literal(Buffer.concat([Buffer.from([0x00, 2]), Buffer.from('te')]), 'trailers'),
  ]);
  return Buffer.concat([frameHeader(block.length, FrameType.headers, Flag.endHeaders, streamId), block]);
}

export function settingsAck(): Buffer {
  return frameHeader(0, FrameType.settings, Flag.ack, 0);
}

export function pingAck(payload: Buffer): Buffer {
  return Buffer.concat([frameHeader(payload.length, FrameType.ping, Flag.ack, 0), payload]);
}

function literal(name: Buffer, value: string): Buffer {
  return Buffer.concat([name, Buffer.from([value.length]), Buffer.from(value)]);
}

export function frameHeader(payloadBytes: number, type: number, flags: number, streamId: number): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(payloadBytes, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return header;
}
