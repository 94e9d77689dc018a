import type { ServerInterceptor } from '@grpc/grpc-js';

const HEADER_BYTES = 5;
const PARTIAL_CHUNKS_MAX = 256;

/**
 * Takes gRPC's length-prefixed messages out of the chunks of an HTTP/2 stream (gRPC over HTTP2, "Length-Prefixed-Message").
 *
 * It stands in for grpc-js's own reader, which differs in two ways that matter here. A message over the limit makes that
 * one fail the call at once, with RESOURCE_EXHAUSTED, and drops the messages before it that came in the same chunk: frames
 * would be lost that were fine. This one hands on the first `limit + 1` bytes, which is enough for the handler to refuse the
 * message by its index, and steps over the rest without keeping it. And a message that lies in one chunk is not copied.
 */
export class MessageReader {
  readonly #limit: number;
  /** The start of a message whose end has not come. */
  #partial: Buffer[] = [];
  #partialBytes = 0;
  /** Bytes to step over: the rest of a message that was cut. */
  #skip = 0;

  /** @param limit bytes of a message without its header */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Messages that end in `data`, each with its 5-byte header, as grpc-js takes them. */
  write(data: Buffer): Buffer[] {
    const messages: Buffer[] = [];
    let rest = this.#skipped(data);
    if (this.#partialBytes > 0 && rest.length > 0) {
      rest = this.#joined(rest);
    }
    let at = 0;
    while (rest.length - at >= HEADER_BYTES) {
      const length = rest.readUInt32BE(at + 1);
      const taken = Math.min(length, this.#limit + 1);
      if (rest.length - at - HEADER_BYTES < taken) {
        break;
      }
      messages.push(this.#message(rest, at, length, taken));
      at += HEADER_BYTES + length;
    }
    this.#keep(rest, at);
    return messages;
  }

  #skipped(data: Buffer): Buffer {
    const skipped = Math.min(this.#skip, data.length);
    this.#skip -= skipped;
    return skipped === 0 ? data : data.subarray(skipped);
  }

  /** The partial message with what came, once that is enough to look at; chunks are joined once, not each time. */
  #joined(rest: Buffer): Buffer {
    this.#partial.push(rest);
    this.#partialBytes += rest.length;
    if (this.#partial.length > PARTIAL_CHUNKS_MAX) {
      // Chunks of a byte each would cost two hundred times their size.
      this.#partial = [Buffer.concat(this.#partial, this.#partialBytes)];
    }
    if (this.#partialBytes < this.#neededBytes()) {
      return Buffer.alloc(0);
    }
    const joined = Buffer.concat(this.#partial, this.#partialBytes);
    this.#partial = [];
    this.#partialBytes = 0;
    return joined;
  }

  /** How much of the partial message has to be there before anything can be done with it. */
  #neededBytes(): number {
    let first = this.#partial[0];
    if (first !== undefined && first.length < HEADER_BYTES && this.#partialBytes >= HEADER_BYTES) {
      first = Buffer.concat(this.#partial, this.#partialBytes);
      this.#partial = [first];
    }
    if (first === undefined || first.length < HEADER_BYTES) {
      return HEADER_BYTES;
    }
    return HEADER_BYTES + Math.min(first.readUInt32BE(1), this.#limit + 1);
  }

  #message(rest: Buffer, at: number, length: number, taken: number): Buffer {
    const message = rest.subarray(at, at + HEADER_BYTES + taken);
    if (taken === length) {
      return message;
    }
    // A cut message can't be inflated; as it is, it is too long all the same.
    const cut = Buffer.from(message);
    cut[0] = 0;
    return cut;
  }

  #keep(rest: Buffer, at: number): void {
    if (at > rest.length) {
      this.#skip = at - rest.length;
    } else if (at < rest.length) {
      this.#partial = [at === 0 ? rest : rest.subarray(at)];
      this.#partialBytes = rest.length - at;
    }
  }
}

/** Gives the calls of these methods a MessageReader with the limit that belongs to their path. */
export function readMessagesWith(limits: ReadonlyMap<string, number>): ServerInterceptor {
  return (method, call) => {
    const limit = limits.get(method.path);
    if (limit !== undefined && 'decoder' in call) {
      // grpc-js has no public place for it; test/grpc/message-reader.test.ts fails when this one goes away.
      (call as unknown as { decoder: MessageReader }).decoder = new MessageReader(limit);
    }
    return call as never;
  };
}
