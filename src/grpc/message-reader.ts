import { constants } from 'node:http2';
import type { FrameProblem } from '../frame/frame-problem.js';
import type { Overload } from '../session/admission.js';
import type { Encoding, Inflater } from './inflater.js';
import type { Claim, ReceiveBudget } from './receive-budget.js';

const HEADER_BYTES = 5;
const PARTIAL_CHUNKS_MAX = 256;
/** What HTTP/2 lets a peer send ahead on a stream anyhow: an unfinished message within that needs no claim. */
const UNCLAIMED_BYTES_MAX = 65_535;

/** The HTTP/2 stream that messages come from. */
export interface MessageSource {
  pause(): void;
  resume(): void;
  close?(code: number): void;
  /** Its connection, which takes no more streams once it is closed. */
  readonly session?: { readonly closed: boolean } | undefined;
}

/** What the readers of all streams share. */
export interface Receiving {
  readonly budget: ReceiveBudget;
  readonly inflater: Inflater;
}

/** A message that something has to be done with when it is delivered. */
interface Notable {
  /** Place among the messages of the stream, from 0. */
  readonly ordinal: number;
  readonly compressed: boolean;
  readonly claim: Claim | null;
}

/** A message as it was sent, or why it can't be had; `release` gives back the memory once it was taken. */
export interface Inflated {
  readonly outcome: Buffer | FrameProblem;
  release(): void;
}

/**
 * Takes gRPC's length-prefixed messages out of the chunks of an HTTP/2 stream (gRPC over HTTP2, "Length-Prefixed-Message").
 *
 * It stands in for grpc-js's own reader, which differs in ways that matter here. A message over the limit makes that
 * one fail the call at once, with RESOURCE_EXHAUSTED, and drops the messages before it that came in the same chunk: frames
 * would be lost that were fine. This one hands on the first `limit + 1` bytes, which is enough for the handler to refuse the
 * message by its index, and steps over the rest without keeping it. A message that lies in one chunk is not copied.
 *
 * *Memory*: an unfinished message that is larger than the HTTP/2 window claims its bytes from the budget of all streams
 * before more of it is read. *Compression*: compressed messages are handed on as they are; grpc-js would inflate all that
 * came in one chunk at once. The handler asks `received` about each message, and `inflate` for one that is compressed.
 */
export class MessageReader {
  /** Counts chunks: a stream on which nothing arrives is silent. */
  chunks = 0;
  /** Whether messages that come in one chunk are handed on as one, each behind its header. */
  groups = false;
  /** Hears that the memory for an unfinished message was refused. */
  onRefused: (error: Overload) => void = () => undefined;
  readonly #limit: number;
  readonly #receiving: Receiving;
  readonly #encoding: Encoding;
  readonly #source: MessageSource;
  /** The start of a message whose end has not come. */
  #partial: Buffer[] = [];
  #partialBytes = 0;
  /** Of the partial message. */
  #claim: Claim | null = null;
  /** Bytes to step over: the rest of a message that was cut. */
  #skip = 0;
  #emitted = 0;
  #delivered = 0;
  #notables: Notable[] = [];
  #notableAt = -1;
  /** Of the compressed message that was delivered last. */
  #deliveredClaim: Claim | null = null;
  #closed = false;

  /** @param limit bytes of a message without its header, inflated */
  constructor(limit: number, receiving: Receiving, encoding: Encoding, source: MessageSource) {
    this.#limit = limit;
    this.#receiving = receiving;
    this.#encoding = encoding;
    this.#source = source;
  }

  /** Whether a message has begun and not ended. */
  get isTorn(): boolean {
    return this.#partialBytes > 0 || this.#skip > 0;
  }

  /**
   * Ends the stream at once, with what waits in it: clients take REFUSED_STREAM for UNAVAILABLE (gRPC over HTTP2, "Errors").
   */
  reset(): void {
    this.#source.close?.(constants.NGHTTP2_REFUSED_STREAM);
  }

  /** Whether the connection goes away once its calls are over. */
  get connectionCloses(): boolean {
    return this.#source.session?.closed === true;
  }

  /** Messages that were handed to the handler. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Messages that end in `data`, each with its 5-byte header, as grpc-js takes them. */
  write(data: Buffer): Buffer[] {
    this.chunks++;
    const messages: Buffer[] = [];
    if (this.#closed) {
      return messages;
    }
    let rest = this.#skipped(data);
    if (this.#partialBytes > 0 && rest.length > 0) {
      rest = this.#joined(rest);
    }
    let at = 0;
    /** Where the messages begin that are handed on together. */
    let from = 0;
    while (rest.length - at >= HEADER_BYTES) {
      const length = rest.readUInt32BE(at + 1);
      const taken = Math.min(length, this.#limit + 1);
      if (rest.length - at - HEADER_BYTES < taken) {
        break;
      }
      const notable = rest[at] !== 0 || this.#claim !== null;
      if (!this.groups || notable || taken < length) {
        this.#emit(messages, rest, from, at);
        if (notable) {
          this.#note(rest, at, taken === length);
        }
        this.#emit(messages, rest, at, at + HEADER_BYTES + taken);
        from = at + HEADER_BYTES + length;
      }
      at += HEADER_BYTES + length;
    }
    this.#emit(messages, rest, from, at);
    this.#keep(rest, at);
    return messages;
  }

  #emit(messages: Buffer[], rest: Buffer, start: number, end: number): void {
    if (start < end) {
      messages.push(rest.subarray(start, end));
      this.#emitted++;
    }
  }

  /** To be called once for each message, in order, before it is taken: true when it is compressed. */
  received(): boolean {
    return this.#delivered++ === this.#notableAt && this.#receivedNotable();
  }

  /** Inflates the message that was received last; does not reject but with Overload. */
  async inflate(message: Buffer): Promise<Inflated> {
    const claim = this.#deliveredClaim ?? (await this.#claimToInflate());
    this.#deliveredClaim = null;
    const { inflater, budget } = this.#receiving;
    const outcome = await inflater.inflate(message, this.#encoding, this.#limit, this);
    return { outcome, release: () => budget.release(claim) };
  }

  /** Gives everything back: the call is over. */
  close(): void {
    this.#closed = true;
    for (const claim of [this.#claim, this.#deliveredClaim, ...this.#notables.map((notable) => notable.claim)]) {
      if (claim !== null) {
        this.#receiving.budget.release(claim);
      }
    }
    this.#claim = null;
    this.#deliveredClaim = null;
    this.#notables = [];
    this.#notableAt = -1;
    this.#partial = [];
    this.#partialBytes = 0;
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
      this.#claimIfLarge();
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

  /** Remembers what has to be done with a message, and hides from grpc-js that it is compressed. */
  #note(rest: Buffer, at: number, whole: boolean): void {
    // A message that was cut can't be inflated; as it is, it is too long all the same.
    const compressed = rest[at] !== 0 && whole;
    rest[at] = 0;
    if (this.#claim !== null) {
      this.#claim.arriving = false;
    }
    this.#notables.push({ ordinal: this.#emitted, compressed, claim: this.#claim });
    this.#notableAt = this.#notables[0]?.ordinal ?? -1;
    this.#claim = null;
  }

  #receivedNotable(): boolean {
    const notable = this.#notables.shift();
    this.#notableAt = this.#notables[0]?.ordinal ?? -1;
    if (notable?.compressed === true) {
      this.#deliveredClaim = notable.claim;
      return true;
    }
    if (notable?.claim) {
      this.#receiving.budget.release(notable.claim);
    }
    return false;
  }

  #keep(rest: Buffer, at: number): void {
    if (at > rest.length) {
      this.#skip = at - rest.length;
    } else if (at < rest.length) {
      this.#partial = [at === 0 ? rest : rest.subarray(at)];
      this.#partialBytes = rest.length - at;
      this.#claimIfLarge();
    }
  }

  /** The stream is not read while the memory for its message is not to be had. */
  #claimIfLarge(): void {
    if (this.#claim !== null) {
      this.#pauseUnlessHeld(this.#claim);
      return;
    }
    const needed = this.#neededBytes();
    if (needed <= UNCLAIMED_BYTES_MAX || this.#closed) {
      return;
    }
    const compressed = this.#partial[0]?.[0] !== 0;
    // What it inflates to as well: who held one half and waited for the other would be in each other's way for ever.
    const bytes = compressed ? needed + this.#limit : needed;
    this.#claim = this.#receiving.budget.claim(
      bytes,
      true,
      () => this.#source.resume(),
      (error) => this.#refused(error),
    );
    this.#pauseUnlessHeld(this.#claim);
  }

  #pauseUnlessHeld(claim: Claim): void {
    if (!claim.held) {
      this.#source.pause();
    }
  }

  #refused(error: Overload): void {
    this.close();
    this.onRefused(error);
  }

  #claimToInflate(): Promise<Claim> {
    return new Promise((resolve, reject) => this.#receiving.budget.claim(this.#limit, false, resolve, reject));
  }
}
