import { FrameView } from '../../src/frame/frame-view.js';
import { LineBuffer } from '../../src/frame/line-buffer.js';
import { LineEncoder } from '../../src/frame/line-encoder.js';
import { encodeSessionIdJson } from '../../src/frame/session-id.js';

const view = new FrameView();
const encoder = new LineEncoder();

/** The line of a frame as text, or the field at fault: through the same view and encoder for all, as in the service. */
export function encode(
  frame: Uint8Array,
  seq = 1,
  serverTimeMs = 0,
): { line: string } | { field: string; reason: string } {
  // Small, so that it has to grow; not empty, so that an overwritten line shows.
  const out = new LineBuffer(16);
  out.bytes.write('before');
  out.length = 6;
  const problem =
    view.parse(frame, 0, frame.length) ?? encoder.encode(view, sessionIdOf(frame), seq, serverTimeMs, out);
  if (out.bytes.toString('latin1', 0, 6) !== 'before') {
    throw new Error('overwrote the line before');
  }
  if (problem !== null) {
    if (out.length !== 6) {
      throw new Error('moved out.length on a problem');
    }
    return { field: problem.field, reason: problem.reason };
  }
  return { line: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(out.bytes.subarray(6, out.length)) };
}

function sessionIdOf(frame: Uint8Array): Uint8Array {
  return encodeSessionIdJson(Buffer.from(frame).toString('utf8', view.sessionIdStart, view.sessionIdEnd));
}

/** Encodes a frame that must be storable, and parses its line. */
export function encodeJson(frame: Uint8Array, seq = 1, serverTimeMs = 0): Record<string, unknown> {
  const json: Record<string, unknown> = JSON.parse(encodeLine(frame, seq, serverTimeMs));
  return json;
}

/** The line, with its line break. */
export function encodeLine(frame: Uint8Array, seq = 1, serverTimeMs = 0): string {
  const result = encode(frame, seq, serverTimeMs);
  if ('field' in result) {
    throw new Error(`${result.field} ${result.reason}`);
  }
  return result.line;
}
