/** The beginning of a stored line, `{"seq":7,`, read without parsing the line. */
const NEWLINE = 0x0a;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const PREFIX = Buffer.from('{"seq":');

/** Enough bytes of a line to hold its seq. */
export const SEQ_HEAD_BYTES = PREFIX.length + 17;

/** The seq of the line that begins at `start`; null when no stored line begins there. */
export function seqAt(bytes: Buffer, start: number): number | null {
  if (bytes.compare(PREFIX, 0, PREFIX.length, start, Math.min(start + PREFIX.length, bytes.length)) !== 0) {
    return null;
  }
  let seq = 0;
  let at = start + PREFIX.length;
  for (; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte < DIGIT_0 || byte > DIGIT_9) {
      break;
    }
    // In this order: seq * 10 + byte could pass 2^53 where the seq itself does not.
    seq = seq * 10 + (byte - DIGIT_0);
  }
  return seq > 0 && Number.isSafeInteger(seq) ? seq : null;
}

/** Where the line behind the one at `start` begins: `bytes.length` after the last one. `bytes` are whole lines. */
export function nextLine(bytes: Buffer, start: number): number {
  return bytes.indexOf(NEWLINE, start) + 1 || bytes.length;
}
