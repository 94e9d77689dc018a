/**
 * Cuts a byte stream into pieces that concatenate back to it: a piece is one line with its `\n`, or what had to be sent
 * before a line was complete.
 *
 * Only `\n` ends a line; a CR stays where it is. A line longer than the limit is cut, never inside a valid UTF-8
 * character, so that decoding the pieces one by one gives the same text as decoding the whole. Holds at most one limit.
 */
const NEWLINE = 0x0a;
const CONTINUATION_BYTES_MAX = 3;

export class LineSplitter {
  readonly #held: Buffer;
  #length = 0;

  /** @param limitBytes the longest piece; at least 4, the longest character */
  constructor(limitBytes: number) {
    if (limitBytes < CONTINUATION_BYTES_MAX + 1) {
      throw new RangeError('a piece must have room for a character');
    }
    this.#held = Buffer.allocUnsafeSlow(limitBytes);
  }

  /** Bytes of the line that is not complete yet. */
  get heldBytes(): number {
    return this.#length;
  }

  /** The pieces that `chunk` completes. They may share its memory: use them before it is used again. */
  *push(chunk: Buffer): Generator<Buffer, void> {
    let start = 0;
    while (start < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, start);
      const end = newline === -1 ? chunk.length : newline + 1;
      const isWhole = newline !== -1 && this.#length === 0 && end - start <= this.#held.length;
      if (isWhole) {
        yield chunk.subarray(start, end);
      } else {
        yield* this.#hold(chunk.subarray(start, end));
        if (newline !== -1) {
          yield this.#release(this.#length);
        }
      }
      start = end;
    }
  }

  /** What there is of an unfinished line, except the first bytes of a character whose rest may still come. */
  *flushCharacters(): Generator<Buffer, void> {
    const end = this.#characterBoundary(this.#length);
    if (end > 0) {
      yield this.#release(end);
    }
  }

  /** Everything, at the end of the stream. */
  *flush(): Generator<Buffer, void> {
    if (this.#length > 0) {
      yield this.#release(this.#length);
    }
  }

  /** Adds bytes of one line, releasing full pieces when they would not fit. */
  *#hold(bytes: Buffer): Generator<Buffer, void> {
    let taken = 0;
    while (taken < bytes.length) {
      const copied = bytes.copy(this.#held, this.#length, taken);
      this.#length += copied;
      taken += copied;
      if (taken < bytes.length) {
        yield this.#release(this.#characterBoundary(this.#length));
      }
    }
  }

  #release(end: number): Buffer {
    const piece = Buffer.from(this.#held.subarray(0, end));
    this.#held.copyWithin(0, end, this.#length);
    this.#length -= end;
    return piece;
  }

  /** The last place at or before `end` that is not inside a character which could still become valid. */
  #characterBoundary(end: number): number {
    for (let back = 1; back <= Math.min(CONTINUATION_BYTES_MAX, end); back++) {
      const byte = this.#held[end - back] ?? 0;
      if ((byte & 0xc0) !== 0x80) {
        return sequenceBytes(byte) > back ? end - back : end;
      }
    }
    return end;
  }
}

/** How long the UTF-8 character is that starts with this byte; 1 for what cannot start one. */
function sequenceBytes(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) {
    return 2;
  }
  if (lead >= 0xe0 && lead <= 0xef) {
    return 3;
  }
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 1;
}
