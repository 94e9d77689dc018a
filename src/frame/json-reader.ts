import type { WireWriter } from './wire-writer.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
/** So many digits are an exact integer without looking any further. */
const EXACT_DIGITS_MAX = 15;

/** What each letter behind a backslash stands for; 0 for those that stand for nothing. */
const UNESCAPED = new Uint8Array(256);
for (const [letter, character] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t']) {
  UNESCAPED[letter!.charCodeAt(0)] = character!.charCodeAt(0);
}

/** The bytes are no stored line. */
export class NotALine extends Error {
  constructor() {
    super('the bytes are no line as logweir stores them');
    this.name = 'NotALine';
  }
}

/** Steps through the JSON of stored lines in place. Their JSON has no spaces. Everything throws NotALine. */
export class JsonReader {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  /** Where the line ends. */
  end = 0;
  private view: DataView = new DataView(new ArrayBuffer(0));

  /** Whole lines: to be called before any of them is read. */
  load(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The byte that comes next, or -1. */
  peek(): number {
    return this.at < this.end ? this.bytes[this.at]! : -1;
  }

  /** Steps over `byte`, if that comes next. */
  skip(byte: number): boolean {
    const isNext = this.peek() === byte;
    this.at += isNext ? 1 : 0;
    return isNext;
  }

  expect(byte: number): void {
    if (!this.skip(byte)) {
      throw new NotALine();
    }
  }

  /** Steps over `text`, or throws. */
  expectText(text: Uint8Array): void {
    for (let i = 0; i < text.length; i++) {
      if (this.bytes[this.at + i] !== text[i]) {
        throw new NotALine();
      }
    }
    this.at += text.length;
  }

  /** An integer of at most 2^53-1, either sign. */
  integer(): number {
    const isNegative = this.skip(MINUS);
    const start = this.at;
    let value = 0;
    for (; this.at < this.end; this.at++) {
      const byte = this.bytes[this.at]!;
      if (byte < DIGIT_0 || byte > DIGIT_9) {
        break;
      }
      value = value * 10 + (byte - DIGIT_0);
    }
    if (this.at === start || !Number.isSafeInteger(value)) {
      throw new NotALine();
    }
    return isNegative ? -value : value;
  }

  /** So many digits. */
  digits(count: number): number {
    let value = 0;
    for (const end = this.at + count; this.at < end; this.at++) {
      const digit = (this.bytes[this.at] ?? 0) - DIGIT_0;
      if (digit < 0 || digit > 9) {
        throw new NotALine();
      }
      value = value * 10 + digit;
    }
    return value;
  }

  /** Any number of JSON. */
  double(): number {
    const start = this.at;
    let isInteger = true;
    for (; this.at < this.end; this.at++) {
      const byte = this.bytes[this.at]!;
      if (byte === 0x2c || byte === 0x7d || byte === 0x5d) {
        break;
      }
      isInteger &&= byte >= DIGIT_0 && byte <= DIGIT_9;
    }
    if (isInteger && this.at - start <= EXACT_DIGITS_MAX) {
      this.at = start;
      return this.integer();
    }
    const text = this.bytes.toString('latin1', start, this.at);
    const value = Number(text);
    if (text === '' || !Number.isFinite(value)) {
      throw new NotALine();
    }
    return value;
  }

  /**
   * Copies the string that begins here, without its quotes and escapes, as UTF-8. Words of four bytes go at once as long as
   * none of their bytes is a quote or a backslash.
   */
  string(to: WireWriter): void {
    this.expect(QUOTE);
    // Unescaped it is never longer.
    to.room(this.end - this.at);
    const { bytes, view: from, end } = this;
    const target = to.bytes;
    const view = to.view;
    let i = this.at;
    let o = to.length;
    for (;;) {
      for (; i + 4 <= end; i += 4) {
        const word = from.getInt32(i, true);
        const quote = word ^ 0x22222222;
        const backslash = word ^ 0x5c5c5c5c;
        const marks = ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash);
        if ((marks & 0x80808080) !== 0) {
          break;
        }
        view.setInt32(o, word, true);
        o += 4;
      }
      let byte = -1;
      for (; i < end; i++) {
        byte = bytes[i]!;
        if (byte === QUOTE || byte === BACKSLASH) {
          break;
        }
        target[o++] = byte;
      }
      if (i >= end) {
        throw new NotALine();
      }
      if (byte === QUOTE) {
        this.at = i + 1;
        to.length = o;
        return;
      }
      this.at = i + 1;
      o = this.unescape(target, o);
      i = this.at;
    }
  }

  /** Behind a backslash. */
  private unescape(target: Buffer, o: number): number {
    const letter = this.peek();
    this.at++;
    if (letter !== 0x75) {
      const character = letter < 0 ? 0 : UNESCAPED[letter]!;
      if (character === 0) {
        throw new NotALine();
      }
      target[o] = character;
      return o + 1;
    }
    const unit = this.hex();
    if (unit < 0x80) {
      target[o] = unit;
      return o + 1;
    }
    if (unit < 0x800) {
      target[o] = 0xc0 | (unit >> 6);
      target[o + 1] = 0x80 | (unit & 0x3f);
      return o + 2;
    }
    if (unit >= 0xd800 && unit < 0xe000) {
      // Lines hold no surrogates: what is not escaped as one unit stands there as UTF-8.
      throw new NotALine();
    }
    target[o] = 0xe0 | (unit >> 12);
    target[o + 1] = 0x80 | ((unit >> 6) & 0x3f);
    target[o + 2] = 0x80 | (unit & 0x3f);
    return o + 3;
  }

  private hex(): number {
    const text = this.bytes.toString('latin1', this.at, this.at + 4);
    if (!/^[0-9a-f]{4}$/i.test(text)) {
      throw new NotALine();
    }
    this.at += 4;
    return Number.parseInt(text, 16);
  }
}
