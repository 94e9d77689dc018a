/** Peers that grpc-js would not be: HTTP/2 streams and TCP connections that are used as their owner likes. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';

export const WRITE_LOG_STREAM = '/logging.v1.LogService/WriteLogStream';
export const WRITE_LOG_BATCHES = '/logging.v1.LogService/WriteLogBatches';
export const GET_SESSION = '/logging.v1.LogReader/GetSession';

/** gRPC's Length-Prefixed-Message. */
export function framed(body: Uint8Array, flag = 0): Buffer {
  return Buffer.concat([header(body.length, flag), body]);
}

/** Of a message of so many bytes. */
export function header(bytes: number, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(bytes, 1);
  return prefix;
}

export interface Ended {
  /** grpc-status; null when the stream was reset or its connection closed. */
  readonly code: number | null;
  readonly details: string;
  readonly headers: IncomingHttpHeaders;
}

export interface RawCall {
  readonly stream: ClientHttp2Stream;
  readonly ended: Promise<Ended>;
}

export class RawConnection implements Disposable {
  readonly session: ClientHttp2Session;
  readonly closed: Promise<void>;
  readonly #open = new Set<ClientHttp2Stream>();

  constructor(address: string) {
    this.session = connect(`http://${address}`);
    this.closed = new Promise((resolve) => this.session.once('close', resolve));
    // A peer that is thrown out sees it here; what a test wants to know is in `closed` and in the calls.
    this.session.on('error', () => undefined);
  }

  open(path: string, headers: Readonly<Record<string, string>> = {}): RawCall {
    const stream = this.session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    this.#open.add(stream);
    stream.once('close', () => this.#open.delete(stream));
    let last: IncomingHttpHeaders = {};
    const keep = (received: IncomingHttpHeaders): void => {
      last = { ...last, ...received };
    };
    stream.on('response', keep);
    stream.on('trailers', keep);
    stream.on('error', () => undefined);
    const ended = new Promise<Ended>((resolve) => {
      const settle = (): void => {
        const status = last['grpc-status'];
        const details = decodeURI(String(last['grpc-message'] ?? ''));
        resolve({ code: status === undefined ? null : Number(status), details, headers: last });
      };
      // The answer is complete while our side may still be open; a reset stream only closes.
      stream.once('end', settle);
      stream.once('close', settle);
    });
    stream.resume();
    return { stream, ended };
  }

  /** Resets what is open and lets the session end: destroyed under hundreds of open streams, Node 20.20 now and then corrupts its heap. */
  [Symbol.dispose](): void {
    for (const stream of this.#open) {
      stream.close(8);
    }
    this.session.close();
  }
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function http2Frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** Type and stream of the frames that are whole. */
export function http2Frames(bytes: Buffer): { type: number; streamId: number }[] {
  const frames: { type: number; streamId: number }[] = [];
  for (let at = 0; bytes.length - at >= 9; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end <= bytes.length) {
      frames.push({ type: bytes[at + 3] ?? 0, streamId: bytes.readUInt32BE(at + 5) & 0x7fff_ffff });
    }
    at = end;
  }
  return frames;
}

/** HEADERS that open a call of WriteLogStream, with CONTINUATION where they are long; nothing is indexed (RFC 7541, 6.2.2). */
export function callHeaders(streamId: number, headers: Readonly<Record<string, string>>): Buffer {
  const named = Object.entries({ ':path': WRITE_LOG_STREAM, 'content-type': 'application/grpc', ...headers });
  const block = Buffer.concat([
    // :method POST and :scheme http, as the static table has them.
    Buffer.from([0x83, 0x86]),
    ...named.map(([name, value]) => Buffer.concat([Buffer.from([0]), hpackString(name), hpackString(value)])),
  ]);
  const parts: Buffer[] = [];
  for (let at = 0; at < block.length; at += 16_384) {
    const isLast = at + 16_384 >= block.length;
    parts.push(http2Frame(at === 0 ? 1 : 9, isLast ? 4 : 0, streamId, block.subarray(at, at + 16_384)));
  }
  return Buffer.concat(parts);
}

function hpackString(text: string): Buffer {
  const length: number[] = [];
  let rest = text.length;
  if (rest < 127) {
    length.push(rest);
  } else {
    length.push(127);
    for (rest -= 127; rest > 127; rest >>>= 7) {
      length.push((rest & 0x7f) | 0x80);
    }
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), Buffer.from(text)]);
}

/** What an HTTP/2 client sends first. */
export const HANDSHAKE = Buffer.concat([PREFACE, http2Frame(4, 0, 0, Buffer.alloc(0))]);

/** A TCP connection that sends what it is told, and never ends its side by itself. */
export async function rawSocket(address: string, bytes: Uint8Array = Buffer.alloc(0)): Promise<Socket> {
  const [host, port] = address.split(':');
  const socket = connectTcp({ host: host ?? '', port: Number(port), allowHalfOpen: true });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve);
    socket.once('close', () => resolve());
  });
  socket.write(bytes);
  return socket;
}

/**
 * Sends the same bytes again and again, without reading, until the peer closes the connection.
 * @returns how often; `timesMax` when it never did
 */
export async function flood(socket: Socket, bytes: Uint8Array, timesMax: number): Promise<number> {
  let times = 0;
  for (; times < timesMax && !socket.destroyed; times++) {
    if (!socket.write(bytes)) {
      await drainedOrTired(socket);
    }
  }
  return times;
}

/** `once` of node:events would throw for a socket that fails. */
function drainedOrTired(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 500);
    for (const event of ['drain', 'close']) {
      socket.once(event, () => {
        clearTimeout(timer);
        resolve();
      });
    }
  });
}
