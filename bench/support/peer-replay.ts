/**
 * The generator's side of the peers: frames in their protocols, made in advance, over a TCP connection a stream, with as many
 * messages in flight as logweir is given, and acknowledgements counted.
 */
import { connect, type Socket } from 'node:net';
import { type FramePlan, framesOfStream, type PlannedFrame, plannedFrame } from './frame-plan.js';
import { timestamp } from './line-formats.js';
import type { Peer } from './load-protocol.js';
import { loadLogService } from './repository.js';

const WRITE_BYTES_MAX = 256 * 1024;
const LINE_FEED = 10;

export interface PreparedMessages {
  readonly stream: number;
  readonly bytes: Buffer;
  readonly messageEnds: readonly number[];
}

interface PeerProtocol {
  /** @param number of the message within its connection, from 1 */
  readonly encode: (frame: PlannedFrame, number: number, stream: number) => Buffer;
  /** What a connection says first, and the end of the answer to it; null: the peer answers nothing. */
  readonly hello: (stream: number) => string;
  readonly welcome: RegExp | null;
  /** Line feeds of an acknowledgement; 0: there are none, the bytes are just taken. */
  readonly ackLines: number;
  /** What stands in an answer that is no acknowledgement. */
  readonly refusals: readonly string[];
}

const { requestSerialize } = loadLogService<PlannedFrame>({ longs: Number, defaults: true }).WriteLogStream;
export const NATS_HELLO = 'CONNECT {"verbose":false,"pedantic":false}\r\n';
const NATS_INBOX = '_INBOX.bench';
const RELP_OFFER = 'relp_version=0\nrelp_software=bench\ncommands=syslog';

export const peerProtocols: Readonly<Record<Peer, PeerProtocol>> = {
  rsyslog: {
    encode: (frame) => {
      const message = syslogMessage(frame);
      return Buffer.concat([Buffer.from(`${message.length} `), message]);
    },
    hello: () => '',
    welcome: null,
    ackLines: 0,
    refusals: [],
  },
  relp: {
    encode: (frame, number) => {
      const message = syslogMessage(frame);
      return Buffer.concat([Buffer.from(`${number + 1} syslog ${message.length} `), message, Buffer.from('\n')]);
    },
    hello: () => `1 open ${RELP_OFFER.length} ${RELP_OFFER}\n`,
    welcome: /^1 rsp \d+ 200 OK[^]*commands=syslog\n/,
    ackLines: 1,
    refusals: [' 500 '],
  },
  redis: {
    encode: (frame) => {
      const payload = requestSerialize(frame);
      const { sessionId } = frame;
      const head = `*5\r\n$4\r\nXADD\r\n$${sessionId.length}\r\n${sessionId}\r\n$1\r\n*\r\n$1\r\nf\r\n$${payload.length}\r\n`;
      return Buffer.concat([Buffer.from(head), payload, Buffer.from('\r\n')]);
    },
    hello: () => '*1\r\n$4\r\nPING\r\n',
    welcome: /^\+PONG\r\n/,
    ackLines: 2,
    refusals: ['-ERR', '-OOM', '-MISCONF'],
  },
  nats: {
    encode: (frame, _, stream) => {
      const payload = requestSerialize(frame);
      const head = `PUB logs.${frame.sessionId} ${NATS_INBOX}.${stream} ${payload.length}\r\n`;
      return Buffer.concat([Buffer.from(head), payload, Buffer.from('\r\n')]);
    },
    hello: (stream) => `${NATS_HELLO}SUB ${NATS_INBOX}.${stream} 1\r\nPING\r\n`,
    welcome: /PONG\r\n$/,
    ackLines: 2,
    refusals: ['"error"', '-ERR'],
  },
};

/** RFC 5424: the session is the APP-NAME, the role the MSGID, metadata is structured data. */
function syslogMessage({ time, sessionId, userId, role, content, metadata }: PlannedFrame): Buffer {
  const parameters = Object.entries(metadata?.fields ?? {}).map(([key, { stringValue }]) => ` ${key}="${stringValue}"`);
  const structured = parameters.length === 0 ? '-' : `[m@1${parameters.join('')}]`;
  const stamp = timestamp({ seconds: time.seconds, nanos: time.nanos - (time.nanos % 1000) });
  return Buffer.from(`<14>1 ${stamp} bench ${sessionId} ${userId} ${role} ${structured} ${content}`);
}

export function prepareMessages(plan: FramePlan, stream: number, protocol: PeerProtocol): PreparedMessages {
  const messages: Buffer[] = [];
  const messageEnds: number[] = [];
  let length = 0;
  for (let index = 0; index < framesOfStream(plan, stream); index++) {
    const message = protocol.encode(plannedFrame(plan, stream, index), index + 1, stream);
    length += message.length;
    messages.push(message);
    messageEnds.push(length);
  }
  return { stream, bytes: Buffer.concat(messages), messageEnds };
}

/** @returns seconds from the first byte to the last acknowledgement, or to the last byte taken where there are none */
export async function replayMessages(
  streams: readonly PreparedMessages[],
  protocol: PeerProtocol,
  port: number,
  inFlight: number,
): Promise<number> {
  const replays = await Promise.all(streams.map((messages) => MessageReplay.open(messages, protocol, port, inFlight)));
  try {
    const begun = performance.now();
    await Promise.all(replays.map((replay) => replay.run()));
    return (performance.now() - begun) / 1000;
  } finally {
    for (const replay of replays) {
      replay.close();
    }
  }
}

class MessageReplay {
  readonly #messages: PreparedMessages;
  readonly #protocol: PeerProtocol;
  readonly #socket: Socket;
  readonly #inFlight: number;
  #sentBytes = 0;
  #lines = 0;
  #welcome = '';
  #state: 'greeting' | 'sending' = 'greeting';
  #done: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;

  private constructor(messages: PreparedMessages, protocol: PeerProtocol, socket: Socket, inFlight: number) {
    this.#messages = messages;
    this.#protocol = protocol;
    this.#socket = socket;
    this.#inFlight = inFlight;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('drain', () => this.#send());
    socket.on('error', (error) => this.#failed(error));
    socket.on('close', () => this.#failed(new Error('the peer closed the connection')));
  }

  static open(
    messages: PreparedMessages,
    protocol: PeerProtocol,
    port: number,
    inFlight: number,
  ): Promise<MessageReplay> {
    return new Promise((resolve, reject) => {
      const replay = new MessageReplay(messages, protocol, connect(port, '127.0.0.1'), inFlight);
      replay.#failed = reject;
      replay.#done = () => resolve(replay);
      replay.#socket.once('connect', () => {
        replay.#socket.write(protocol.hello(messages.stream));
        if (protocol.welcome === null) {
          resolve(replay);
        }
      });
    });
  }

  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#state = 'sending';
      this.#done = resolve;
      this.#failed = reject;
      this.#send();
    });
  }

  close(): void {
    this.#failed = () => undefined;
    this.#socket.destroy();
  }

  get #acknowledged(): number {
    return Math.floor(this.#lines / this.#protocol.ackLines);
  }

  /** As much as may be in flight, until the socket has enough. */
  #send(): void {
    const { bytes, messageEnds } = this.#messages;
    if (this.#state !== 'sending') {
      return;
    }
    const unbounded = this.#protocol.ackLines === 0;
    const allowed = unbounded ? messageEnds.length : Math.min(messageEnds.length, this.#acknowledged + this.#inFlight);
    const end = messageEnds[allowed - 1] ?? 0;
    while (this.#sentBytes < end && !this.#socket.writableNeedDrain) {
      const until = Math.min(end, this.#sentBytes + WRITE_BYTES_MAX);
      this.#socket.write(bytes.subarray(this.#sentBytes, until));
      this.#sentBytes = until;
    }
    if (unbounded && this.#sentBytes === bytes.length && !this.#socket.writableNeedDrain) {
      this.#socket.end(() => this.#done());
      this.#failed = () => undefined;
    }
  }

  #receive(chunk: Buffer): void {
    if (this.#state === 'greeting') {
      this.#welcome += chunk.toString('latin1');
      if (this.#protocol.welcome?.test(this.#welcome) === true) {
        this.#done();
      }
      return;
    }
    const refusal = this.#protocol.refusals.find((text) => chunk.includes(text));
    if (refusal !== undefined) {
      this.#failed(new Error(`the peer answered ${JSON.stringify(chunk.toString('latin1').slice(0, 300))}`));
      return;
    }
    let at = chunk.indexOf(LINE_FEED);
    while (at >= 0) {
      this.#lines++;
      at = chunk.indexOf(LINE_FEED, at + 1);
    }
    if (this.#acknowledged >= this.#messages.messageEnds.length) {
      this.#done();
    } else {
      this.#send();
    }
  }
}
