import { connect, type Socket } from 'node:net';
import {
  callHeaders,
  clientHello,
  DEFAULT_WINDOW_BYTES,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  type PreparedBody,
  pingAck,
  SETTING_INITIAL_WINDOW_SIZE,
  settingsAck,
} from './http2-wire.js';
import { ReplayedCall } from './replayed-call.js';
import { readHeaderBlock } from './response-headers.js';

/** What a replay does with each message of a response. @returns how many messages of the body are acknowledged by now */
export type TakeMessage = (message: Buffer, body: PreparedBody) => number;

export interface ReplayOptions {
  readonly path: string;
  /** Messages of a call that may be on their way without an acknowledgement; infinite: as many as the server's windows take. */
  readonly inFlight: number;
  readonly take: TakeMessage;
  /** Milliseconds from the last byte of a message to its acknowledgement. */
  readonly latencies: number[];
}

/**
 * One HTTP/2 connection that replays prepared bodies, as fast as the server's windows and acknowledgements allow.
 *
 * *Cost*: nothing is encoded or copied here; what the windows take goes out in one write.
 * *Fairness*: streams of a connection take turns, a frame each, since they share its window.
 */
export class ReplayConnection {
  readonly #socket: Socket;
  readonly #authority: string;
  readonly #calls = new Map<number, ReplayedCall>();
  #unparsed: Buffer = Buffer.alloc(0);
  #window = DEFAULT_WINDOW_BYTES;
  #streamWindow = DEFAULT_WINDOW_BYTES;
  #turn = 0;
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
   * @throws when a call ends before all of its messages are acknowledged, or with another status than OK
   */
  replay(bodies: readonly PreparedBody[], options: ReplayOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#failed = reject;
      this.#finished = resolve;
      this.#socket.cork();
      for (const body of bodies) {
        this.#calls.set(body.streamId, new ReplayedCall(body, options, this.#streamWindow));
        this.#socket.write(callHeaders(body.streamId, this.#authority, options.path));
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
    const calls = [...this.#calls.values()];
    let blocked = 0;
    while (blocked < calls.length && this.#window > 0) {
      const call = calls[this.#turn % calls.length];
      this.#turn++;
      const bytes = call?.next(this.#window, calls.length === 1 ? Number.POSITIVE_INFINITY : 1) ?? null;
      if (bytes === null) {
        blocked++;
        continue;
      }
      blocked = 0;
      this.#window -= bytes.payload;
      this.#socket.write(bytes.frames);
    }
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
      const payload = bytes.subarray(at + FRAME_HEADER_BYTES, end);
      try {
        this.#take(bytes.readUInt8(at + 3), bytes.readUInt8(at + 4), streamId, payload);
      } catch (error) {
        this.#failed(error instanceof Error ? error : new Error(String(error)));
      }
      at = end;
    }
    this.#unparsed = bytes.subarray(at);
    this.#send();
    this.#socket.uncork();
  }

  #take(type: number, flags: number, streamId: number, payload: Buffer): void {
    const call = this.#calls.get(streamId);
    switch (type) {
      case FrameType.windowUpdate:
        this.#widen(call, streamId, payload.readUInt32BE(0) & 0x7fff_ffff);
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
        call?.received(payload);
        break;
      case FrameType.headers:
        if (call !== undefined) {
          call.trailers = Buffer.from(payload);
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
    const ends = type === FrameType.data || type === FrameType.headers;
    if (call !== undefined && ends && (flags & Flag.endStream) !== 0) {
      void this.#end(call, streamId);
    }
  }

  #widen(call: ReplayedCall | undefined, streamId: number, bytes: number): void {
    if (streamId === 0) {
      this.#window += bytes;
    } else if (call !== undefined) {
      call.window += bytes;
    }
  }

  #applySettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) === SETTING_INITIAL_WINDOW_SIZE) {
        const window = payload.readUInt32BE(at + 2);
        for (const call of this.#calls.values()) {
          call.window += window - this.#streamWindow;
        }
        this.#streamWindow = window;
      }
    }
    this.#socket.write(settingsAck());
    this.#greeted();
  }

  async #end(call: ReplayedCall, streamId: number): Promise<void> {
    this.#calls.delete(streamId);
    if (call.isAcknowledged) {
      if (this.#calls.size === 0) {
        this.#finished();
      }
      return;
    }
    try {
      const { 'grpc-status': status, 'grpc-message': message } = await readHeaderBlock(call.trailers);
      const text = decodeURIComponent([message ?? ''].flat().join());
      const code = [status ?? 'unknown'].flat().join();
      this.#failed(new Error(`stream ${streamId} was answered with gRPC status ${code}: ${text}`));
    } catch (error) {
      this.#failed(new Error(`stream ${streamId} ended without an acknowledgement of all`, { cause: error }));
    }
  }
}
