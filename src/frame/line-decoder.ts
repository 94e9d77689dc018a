import { JsonReader, NotALine } from './json-reader.js';
import { writeStruct } from './struct-decoder.js';
import { lengthBytesOf, type WireWriter } from './wire-writer.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const DOT = 0x2e;
const ZULU = 0x5a;
const NEWLINE = 0x0a;
const CLOSE_BRACE = 0x7d;

const SEQ = Buffer.from('{"seq":');
const TIME = Buffer.from(',"time":"');
const SESSION_ID = Buffer.from(',"session_id":');

/** The keys behind `session_id`, with the field of each. All are strings but those told apart below. */
const FIELDS: ReadonlyMap<string, number> = new Map([
  ['user_id', 4],
  ['role', 5],
  ['content', 7],
  ['metadata', 8],
  ['version', 1],
  ['producer_id', 9],
  ['producer_seq', 10],
]);
const FIELD_KEYS = Array.from(FIELDS, ([key, field]) => ({ bytes: Buffer.from(key), field }));
const METADATA_FIELD = 8;
const INTEGER_FIELDS: ReadonlySet<number> = new Set([1, 10]);

/** JSON that a line has around its values, mostly: only a guess at how many bytes a length will take. */
const PUNCTUATION_BYTES = 90;

/**
 * Decodes stored lines into the LogFrames that they were encoded from, bytes to bytes: the inverse of LineEncoder. A frame that is
 * encoded again gives the same line, byte for byte. What the line does not tell is not in the frame: bytes that were no UTF-8
 * are U+FFFD, numbers of `metadata` that JSON does not have are the strings "NaN", "Infinity" and "-Infinity", and a time
 * that the server gave stands there as if the agent had sent it.
 */
export class LineDecoder {
  private readonly json = new JsonReader();

  /** Whole lines: to be called before `decode`. */
  load(lines: Buffer): void {
    this.json.load(lines);
  }

  /**
   * Appends the LogFrame of the line at `start`, as a delimited field of `to`.
   * @param field its number there
   * @param end behind the line's newline
   * @throws NotALine; then what is behind the `length` that `to` had is undefined
   */
  decode(start: number, end: number, field: number, to: WireWriter): void {
    const { json } = this;
    json.at = start;
    json.end = end;
    const lengthBytes = lengthBytesOf(Math.max(0, end - start - PUNCTUATION_BYTES));
    const frame = to.open(field, lengthBytes);
    json.expectText(SEQ);
    to.number(6, json.integer());
    json.expectText(TIME);
    this.writeTime(to);
    json.expectText(SESSION_ID);
    this.writeText(3, to);
    // Keys come in the order of FIELD_KEYS, so each is looked for from the one before on.
    let next = 0;
    while (json.skip(COMMA)) {
      json.expect(QUOTE);
      while (!this.skipKey(next)) {
        next++;
      }
      this.writeField(FIELD_KEYS[next]!.field, to);
      next++;
    }
    json.expect(CLOSE_BRACE);
    json.expect(NEWLINE);
    to.close(frame, lengthBytes);
  }

  private skipKey(index: number): boolean {
    const { json } = this;
    const key = FIELD_KEYS[index];
    if (key === undefined) {
      throw new NotALine();
    }
    const { bytes } = key;
    for (let i = 0; i < bytes.length; i++) {
      if (json.bytes[json.at + i] !== bytes[i]) {
        return false;
      }
    }
    if (json.bytes[json.at + bytes.length] !== QUOTE) {
      return false;
    }
    json.at += bytes.length + 1;
    json.expect(COLON);
    return true;
  }

  private writeField(field: number, to: WireWriter): void {
    if (field === METADATA_FIELD) {
      const body = to.open(field);
      writeStruct(this.json, to);
      to.close(body);
    } else if (INTEGER_FIELDS.has(field)) {
      to.number(field, this.json.integer());
    } else {
      this.writeText(field, to);
    }
  }

  private writeText(field: number, to: WireWriter): void {
    const { json } = this;
    const lengthBytes = lengthBytesOf(field === 7 ? json.end - json.at : 0);
    const body = to.open(field, lengthBytes);
    json.string(to);
    to.close(body, lengthBytes);
  }

  /** A google.protobuf.Timestamp from behind the opening quote: `2026-11-21T10:00:00.123456789Z"`. */
  private writeTime(to: WireWriter): void {
    const { json } = this;
    const year = json.digits(4);
    json.at++;
    const month = json.digits(2);
    json.at++;
    const day = json.digits(2);
    json.at++;
    const hour = json.digits(2);
    json.at++;
    const minute = json.digits(2);
    json.at++;
    const second = json.digits(2);
    let nanos = 0;
    if (json.skip(DOT)) {
      const start = json.at;
      const fraction = json.integer();
      nanos = fraction * 10 ** (9 - (json.at - start));
    }
    json.expect(ZULU);
    json.expect(QUOTE);
    const body = to.open(2);
    to.number(1, daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second);
    to.number(2, nanos);
    to.close(body);
  }
}

/** Howard Hinnant's days_from_civil (https://howardhinnant.github.io/date_algorithms.html), for years from 1 on. */
function daysSince1970(year: number, month: number, day: number): number {
  const fromMarch = month <= 2 ? year - 1 : year;
  const era = Math.floor(fromMarch / 400);
  const yearOfEra = fromMarch - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
