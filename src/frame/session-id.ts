import { frameSource } from './frame-source.js';
import { writeJsonString } from './json-string.js';
import { KeyFragment } from './key-fragment.js';
import { LineBuffer } from './line-buffer.js';

const OPENING_QUOTE = new KeyFragment('"');

/**
 * Encodes a session id as it stands in every line of the session: a JSON string with its quotes, escaped like all
 * strings of a line.
 * @returns UTF-8, in memory of its own
 */
export function encodeSessionIdJson(sessionId: string): Uint8Array {
  const utf8 = Buffer.from(sessionId, 'utf8');
  const json = new LineBuffer(utf8.length + 2);
  frameSource.load(utf8, 0, utf8.length);
  const length = writeJsonString(OPENING_QUOTE, frameSource, 0, utf8.length, json, 0);
  const exact = Buffer.allocUnsafeSlow(length);
  json.bytes.copy(exact, 0, 0, length);
  return exact;
}
