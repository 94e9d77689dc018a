/** Stored lines by the chunk: cut at line ends, and at a seq. */
import { NotALine } from '../frame/json-reader.js';
import { lastLineStart } from '../segment/line.js';
import { LogLines } from './log-events.js';
import { nextLine, seqAt } from './stored-line.js';

/** What readers are given at a time, but for a line that is longer by itself. */
export const CHUNK_BYTES = 128 * 1024;
const NEWLINE = 0x0a;

/** @param bytes whole lines; they are the chunk's from then on @throws NotALine */
export function linesOf(sessionId: string, bytes: Buffer): LogLines {
  const firstSeq = lineSeq(bytes, 0);
  return new LogLines(sessionId, firstSeq, lineSeq(bytes, lastLineStart(bytes, 0, bytes.length)), bytes);
}

/** How many there are; for `LogLines.as`. */
export function lineCount({ bytes }: LogLines): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at = nextLine(bytes, at)) {
    count++;
  }
  return count;
}

/** Copies of the whole lines in bytes[from, to), each of CHUNK_BYTES at most or of one line. @throws NotALine */
export function copiedChunks(sessionId: string, bytes: Buffer, from: number, to: number): LogLines[] {
  const chunks: LogLines[] = [];
  for (let start = from; start < to; ) {
    const end = chunkEnd(bytes, start, to);
    const copy = Buffer.allocUnsafeSlow(end - start);
    bytes.copy(copy, 0, start, end);
    chunks.push(linesOf(sessionId, copy));
    start = end;
  }
  return chunks;
}

function chunkEnd(bytes: Buffer, start: number, to: number): number {
  if (to - start <= CHUNK_BYTES) {
    return to;
  }
  const end = bytes.lastIndexOf(NEWLINE, start + CHUNK_BYTES - 1) + 1;
  return end > start ? end : Math.min(to, nextLine(bytes, start));
}

/** Of these lines those above `afterSeq` and up to `throughSeq`; null when there are none, and `lines` when it is all of them. */
export function linesBetween(lines: LogLines, afterSeq: number, throughSeq: number): LogLines | null {
  const { bytes, sessionId, firstSeq, lastSeq } = lines;
  if (firstSeq > afterSeq && lastSeq <= throughSeq) {
    return lines;
  }
  if (lastSeq <= afterSeq || firstSeq > throughSeq) {
    return null;
  }
  const start = firstSeq > afterSeq ? 0 : startAbove(bytes, 0, afterSeq);
  const end = lastSeq <= throughSeq ? bytes.length : startAbove(bytes, start, throughSeq);
  return start === end ? null : linesOf(sessionId, bytes.subarray(start, end));
}

/** Where the first line above `seq` begins, from the line at `from` on; `bytes.length` when there is none. */
function startAbove(bytes: Buffer, from: number, seq: number): number {
  let start = from;
  while (start < bytes.length && lineSeq(bytes, start) <= seq) {
    start = nextLine(bytes, start);
  }
  return start;
}

function lineSeq(bytes: Buffer, start: number): number {
  const seq = seqAt(bytes, start);
  if (seq === null) {
    throw new NotALine();
  }
  return seq;
}
