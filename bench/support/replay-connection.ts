import { connect, type Socket } from 'node:net';
import {
  callHeaders,
  clientHello,
  DATA_PAYLOAD_BYTES,
  DEFAULT_WINDOW_BYTES,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  type PreparedBody,
  pingAck,
  SETTING_INITIAL_WINDOW_SIZE,
  settingsAck,
} from './http2-wire.js';
import { readHeaderBlock } from './response-headers.js';

interface Stream {
  readonly body: PreparedBody;
  sentBytes: number;
  window: number;
  readonly response: Buffer[];
  /** The last header block: status and message when the call failed. */
  trailers: Buffer;
  ended: boolean;
}

/**
 * One HTTP/2 connection that replays prepared bodies, as fast as the server's windows allow.
 *
 * *Cost*: per window update one write of as many whole DATA frames as fit; nothing is encoded or copied here.
 * *Fairness*: streams of a connection take turns, a frame each, since they share its window.
 */
export class ReplayConnection {
  readonly #socket: Socket;
  readonly #authority: string;
  readonly #streams = new Map<number, Stream>();
  #unparsed: Buffer = Buffer.alloc(0);
  #window = DEFAULT_WINDOW_BYTES;
  #streamWindow = DEFAULT_WINDOW_BYTES;
  #turn = 0;
  #unanswered = 0;
  #greeted: () => void = () => undefined;
  #finished: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;

  private constructor(socket: Socket, authority: string) {
    this.#socket = socket;
    this.#authority = authority;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) => this.#failed(error));
    socket.on('close', () => this.#failed(new Error('the server closed the connection')));
  }

  /** Resolves once the server has said what its windows are. */
  static open(port: number): Promise<ReplayConnection> {
    return new Promise((resolve, reject) => {
      const connection = new ReplayConnection(connect(port, '127.0.0.1'), `127.0.0.1:${port}`);
      connection.#failed = reject;
      connection.#greeted = () => resolve(connection);
      connection.#socket.write(clientHello());
    });
  }

  /**
   * Makes one call per body, all at once.
   * @returns the first message of each response, in the order of the bodies
   * @throws when a call ends without a message
   */
  replay(path: string, bodies: readonly PreparedBody[]): Promise<Buffer[]> {
    const streams = bodies.map((body): Stream => {
      return { body, sentBytes: 0, window: this.#streamWindow, response: [], trailers: Buffer.alloc(0), ended: false };
    });
    return new Promise((resolve, reject) => {
      this.#failed = reject;
      this.#finished = () => resolve(streams.map(responseMessage));
      this.#unanswered = streams.length;
      this.#socket.cork();
      for (const stream of streams) {
        this.#streams.set(stream.body.streamId, stream);
        this.#socket.write(callHeaders(stream.body.streamId, this.#authority, path));
      }
      this.#send();
      this.#socket.uncork();
    });
  }

  close(): void {
    this.#failed = () => undefined;
    this.#socket.destroy();
  }

  #send(): void {
    const streams = [...this.#streams.values()];
    let blocked = 0;
    while (blocked < streams.length) {
      const stream = streams[this.#turn % streams.length];
      this.#turn++;
      blocked = stream !== undefined && this.#sendFrames(stream, streams.length === 1) ? 0 : blocked + 1;
    }
  }

  /** Sends one frame, or all that the windows take when nobody else wants them. Returns false when none may be sent. */
  #sendFrames(stream: Stream, all: boolean): boolean {
    const { bytes, lastPayloadBytes } = stream.body;
    const unsentBytes = bytes.length - stream.sentBytes;
    const room = Math.min(stream.window, this.#window);
    const lastFrameBytes = FRAME_HEADER_BYTES + lastPayloadBytes;
    const fullLeft = (unsentBytes - lastFrameBytes) / (FRAME_HEADER_BYTES + DATA_PAYLOAD_BYTES);
    const full = Math.max(0, Math.min(fullLeft, Math.floor(room / DATA_PAYLOAD_BYTES), all ? fullLeft : 1));
    let count = full * (FRAME_HEADER_BYTES + DATA_PAYLOAD_BYTES);
    let payload = full * DATA_PAYLOAD_BYTES;
    if (full === fullLeft && (all || full === 0) && room - payload >= lastPayloadBytes) {
      count += lastFrameBytes;
      payload += lastPayloadBytes;
    }
    if (unsentBytes === 0 || count === 0) {
      return false;
    }
    this.#socket.write(bytes.subarray(stream.sentBytes, stream.sentBytes + count));
    stream.sentBytes += count;
    stream.window -= payload;
    this.#window -= payload;
    return true;
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#unparsed.length === 0 ? chunk : Buffer.concat([this.#unparsed, chunk]);
    let at = 0;
    this.#socket.cork();
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
      if (bytes.length < end) {
        break;
      }
      const streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      this.#take(
        bytes.readUInt8(at + 3),
        bytes.readUInt8(at + 4),
        streamId,
        bytes.subarray(at + FRAME_HEADER_BYTES, end),
      );
      at = end;
    }
    this.#unparsed = bytes.subarray(at);
    this.#send();
    this.#socket.uncork();
  }

  #take(type: number, flags: number, streamId: number, payload: Buffer): void {
    const stream = this.#streams.get(streamId);
    switch (type) {
      case FrameType.windowUpdate:
        this.#widen(streamId, payload.readUInt32BE(0) & 0x7fff_ffff);
        return;
      case FrameType.settings:
        if ((flags & Flag.ack) === 0) {
          this.#applySettings(payload);
        }
        return;
      case FrameType.ping:
        if ((flags & Flag.ack) === 0) {
          this.#socket.write(pingAck(payload));
        }
        return;
      case FrameType.data:
        stream?.response.push(Buffer.from(payload));
        break;
      case FrameType.headers:
        if (stream !== undefined) {
          stream.trailers = Buffer.from(payload);
        }
        break;
      case FrameType.resetStream:
        this.#failed(new Error(`the server reset stream ${streamId} (HTTP/2 error ${payload.readUInt32BE(0)})`));
        return;
      case FrameType.goAway:
        this.#failed(new Error(`the server is going away (HTTP/2 error ${payload.readUInt32BE(4)})`));
        return;
      default:
    }
    if (
      stream !== undefined &&
      (flags & Flag.endStream) !== 0 &&
      (type === FrameType.data || type === FrameType.headers)
    ) {
      this.#end(stream);
    }
  }

  #widen(streamId: number, bytes: number): void {
    if (streamId === 0) {
      this.#window += bytes;
      return;
    }
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) {
      stream.window += bytes;
    }
  }

  #applySettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) === SETTING_INITIAL_WINDOW_SIZE) {
        const window = payload.readUInt32BE(at + 2);
        for (const stream of this.#streams.values()) {
          stream.window += window - this.#streamWindow;
        }
        this.#streamWindow = window;
      }
    }
    this.#socket.write(settingsAck());
    this.#greeted();
  }

  async #failWith({ body, trailers }: Stream): Promise<void> {
    try {
      const { 'grpc-status': status, 'grpc-message': message } = await readHeaderBlock(trailers);
      const text = decodeURIComponent([message ?? ''].flat().join());
      const code = [status ?? 'unknown'].flat().join();
      this.#failed(new Error(`stream ${body.streamId} was answered with gRPC status ${code}: ${text}`));
    } catch (error) {
      this.#failed(new Error(`stream ${body.streamId} was answered without a WriteLogResponse`, { cause: error }));
    }
  }

  #end(stream: Stream): void {
    if (stream.ended) {
      return;
    }
    stream.ended = true;
    this.#streams.delete(stream.body.streamId);
    if (stream.response.length === 0) {
      void this.#failWith(stream);
      return;
    }
    this.#unanswered--;
    if (this.#unanswered === 0) {
      this.#finished();
    }
  }
}

/** Strips the gRPC prefix: a compression flag and the length. */
function responseMessage(stream: Stream): Buffer {
  return Buffer.concat(stream.response).subarray(5);
}
