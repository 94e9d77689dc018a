import type { ServerInterceptor } from '@grpc/grpc-js';
import { baseCallOf, type MessageDecoder, sendWholeMessages } from './grpc-js-internals.js';
import { encodingOf, inflateNow } from './inflater.js';
import { MessageReader, type Receiving } from './message-reader.js';

/** A call as interceptors and handlers see it alike: this is the same object for both, and for this call alone. */
interface Identified {
  getMetricsRecorder(): object;
}

const readers = new WeakMap<object, MessageReader>();

/** The reader of a call of one of the methods that bring frames. */
export function messageReaderOf(call: Identified): MessageReader {
  const reader = readers.get(call.getMetricsRecorder());
  if (reader === undefined) {
    throw new Error('the call has no message reader');
  }
  return reader;
}

/**
 * Gives each call a MessageReader: those of the methods in `limits` with the limit that belongs to their path, for their handlers to
 * ask. All others take small requests, whoever calls them; these are inflated at once, and never past `smallBytesMax`.
 * @param wholeMessages paths of the methods whose handlers write messages with their headers: see sendWholeMessages
 */
export function readMessagesWith(
  limits: ReadonlyMap<string, number>,
  smallBytesMax: number,
  receiving: Receiving,
  wholeMessages: ReadonlySet<string> = new Set(),
): ServerInterceptor {
  return (method, call) => {
    const base = baseCallOf(call);
    const encoding = encodingOf(base.incomingEncoding);
    const limit = limits.get(method.path);
    const reader = new MessageReader(limit ?? smallBytesMax, receiving, encoding, base.stream);
    if (limit === undefined) {
      base.decoder = new SmallMessages(
        reader,
        (message) => inflateNow(message, encoding, smallBytesMax),
        smallBytesMax,
      );
    } else {
      base.decoder = reader;
      readers.set(call.getMetricsRecorder(), reader);
    }
    if (wholeMessages.has(method.path)) {
      sendWholeMessages(base);
    }
    return call as never;
  };
}

const HEADER_BYTES = 5;

/** A throw in `write` becomes RESOURCE_EXHAUSTED with its message: grpc-js knows no other reason why one can't be read. */
class SmallMessages implements MessageDecoder {
  readonly #reader: MessageReader;
  readonly #inflate: (message: Buffer) => Buffer;
  readonly #bytesMax: number;

  constructor(reader: MessageReader, inflate: (message: Buffer) => Buffer, bytesMax: number) {
    this.#reader = reader;
    this.#inflate = inflate;
    this.#bytesMax = bytesMax;
  }

  write(data: Buffer): Buffer[] {
    return this.#reader.write(data).map((message) => {
      if (message.length > HEADER_BYTES + this.#bytesMax) {
        throw new Error(`a request is larger than ${this.#bytesMax} bytes`);
      }
      return this.#reader.received() ? this.#inflated(message) : message;
    });
  }

  #inflated(message: Buffer): Buffer {
    try {
      return Buffer.concat([Buffer.alloc(HEADER_BYTES), this.#inflate(message.subarray(HEADER_BYTES))]);
    } catch {
      throw new Error(`a request is compressed and does not inflate to ${this.#bytesMax} bytes or fewer`);
    }
  }
}
