/** The few bytes of a stored line that are read without parsing it: `{"seq":7,"time":"…",…}`. */

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const TIME_KEY = ',"time":"';

/** Where the last line of buffer[start, end) begins; `end` is behind its newline. */
export function lastLineStart(buffer: Buffer, start: number, end: number): number {
  return end - start < 2 ? start : Math.max(start, buffer.lastIndexOf(NEWLINE, end - 2) + 1);
}

const SEQ_KEY = '{"seq":';
const COMMA = 0x2c;

/** The `seq` of the line that begins at `start`. */
export function lineSeq(buffer: Buffer, start: number): number {
  const from = start + SEQ_KEY.length;
  return Number(buffer.toString('latin1', from, buffer.indexOf(COMMA, from)));
}

/** The `time` of the line that begins at `start`. */
export function lineTime(buffer: Buffer, start: number, end: number): string {
  const from = buffer.indexOf(TIME_KEY, start) + TIME_KEY.length;
  const to = buffer.indexOf(QUOTE, from);
  return to > from && to < end ? buffer.toString('latin1', from, to) : '';
}
