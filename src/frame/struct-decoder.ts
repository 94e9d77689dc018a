import { JsonReader, NotALine } from './json-reader.js';
import { METADATA_DEPTH_MAX } from './limits.js';
import { FIXED64, VARINT } from './wire.js';
import type { WireWriter } from './wire-writer.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const NUMBER_BYTES_MAX = 16;

const NULL = Buffer.from('null');
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');

/**
 * Writes the JSON object that `json` stands at as the content of a google.protobuf.Struct. Numbers become doubles again; "NaN" and
 * the infinities, which JSON has as strings, stay strings: nothing tells them from text that an agent wrote.
 * @throws NotALine
 */
export function writeStruct(json: JsonReader, to: WireWriter, depth = 1): void {
  begin(json, OPEN_BRACE, depth);
  if (json.skip(CLOSE_BRACE)) {
    return;
  }
  do {
    const entry = to.open(1);
    const key = to.open(1);
    json.string(to);
    to.close(key);
    json.expect(COLON);
    const value = to.open(2);
    writeValue(json, to, depth + 1);
    to.close(value);
    to.close(entry);
  } while (json.skip(COMMA));
  json.expect(CLOSE_BRACE);
}

/** The content of a google.protobuf.ListValue. */
function writeList(json: JsonReader, to: WireWriter, depth: number): void {
  begin(json, OPEN_BRACKET, depth);
  if (json.skip(CLOSE_BRACKET)) {
    return;
  }
  do {
    const value = to.open(1);
    writeValue(json, to, depth + 1);
    to.close(value);
  } while (json.skip(COMMA));
  json.expect(CLOSE_BRACKET);
}

/** The content of a google.protobuf.Value: a oneof, so that zero, false and empty stand there, too. */
function writeValue(json: JsonReader, to: WireWriter, depth: number): void {
  const first = json.peek();
  to.room(NUMBER_BYTES_MAX);
  if (first === QUOTE) {
    const text = to.open(3);
    json.string(to);
    to.close(text);
  } else if (first === OPEN_BRACE || first === OPEN_BRACKET) {
    const body = to.open(first === OPEN_BRACE ? 5 : 6);
    if (first === OPEN_BRACE) {
      writeStruct(json, to, depth + 1);
    } else {
      writeList(json, to, depth + 1);
    }
    to.close(body);
  } else if (first === NULL[0]) {
    writeWord(json, NULL, to, 1, 0);
  } else if (first === TRUE[0]) {
    writeWord(json, TRUE, to, 4, 1);
  } else if (first === FALSE[0]) {
    writeWord(json, FALSE, to, 4, 0);
  } else {
    to.tag(2, FIXED64);
    to.view.setFloat64(to.length, json.double(), true);
    to.length += 8;
  }
}

function writeWord(json: JsonReader, word: Uint8Array, to: WireWriter, field: number, value: number): void {
  json.expectText(word);
  to.tag(field, VARINT);
  to.varint(value);
}

/** A line that nests deeper was not written by the LineEncoder, and could use up the stack. */
function begin(json: JsonReader, bracket: number, depth: number): void {
  if (depth > METADATA_DEPTH_MAX) {
    throw new NotALine();
  }
  json.expect(bracket);
}
