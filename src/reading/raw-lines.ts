/** A raw segment's lines from any seq on: found by halving the file, then read in chunks. */
import { LINE_BYTES_MAX } from '../segment/segment-scan.js';
import { CHUNK_BYTES, linesOf } from './line-chunks.js';
import type { LogLines } from './log-events.js';
import type { ReadableFile } from './placed-files.js';
import { SEQ_HEAD_BYTES, seqAt } from './stored-line.js';

const NEWLINE = 0x0a;
const PROBE_BYTES = 4096;

/**
 * The chunks of whole lines in file[0, end) from the one on that may hold a line above `afterSeq`. A last line without its
 * newline is left out.
 * @throws NotALine
 */
export async function* rawLines(
  file: ReadableFile,
  sessionId: string,
  afterSeq: number,
  end: number,
): AsyncGenerator<LogLines, void> {
  let position = await seek(file, afterSeq, end);
  for (;;) {
    const bytes = await wholeLinesAt(file, position, end);
    if (bytes.length === 0) {
      return;
    }
    position += bytes.length;
    yield linesOf(sessionId, bytes);
  }
}

/** A line's start, no more than a chunk before the first line above `afterSeq`. */
async function seek(file: ReadableFile, afterSeq: number, end: number): Promise<number> {
  /** A line begins here that is not above `afterSeq`, or it is the start of the file. */
  let low = 0;
  /** Behind it there is nothing at or below `afterSeq` that begins. */
  let high = afterSeq > 0 ? end : 0;
  while (high - low > CHUNK_BYTES) {
    const middle = low + Math.floor((high - low) / 2);
    const line = await lineBehind(file, middle, high);
    if (line !== null && line.seq <= afterSeq) {
      low = line.start;
    } else {
      high = middle;
    }
  }
  return low;
}

/** The first line that begins behind `position` and before `end`; null when there is none. */
async function lineBehind(
  file: ReadableFile,
  position: number,
  end: number,
): Promise<{ start: number; seq: number } | null> {
  const probe = Buffer.allocUnsafe(PROBE_BYTES);
  for (let at = position; at < end; ) {
    const count = await file.read(probe, 0, PROBE_BYTES, at);
    const newline = probe.subarray(0, count).indexOf(NEWLINE);
    const start = at + newline + 1;
    if (newline !== -1) {
      const head = Buffer.allocUnsafe(SEQ_HEAD_BYTES);
      const seq = start < end ? seqAt(head.subarray(0, await file.read(head, 0, SEQ_HEAD_BYTES, start)), 0) : null;
      return seq === null ? null : { start, seq };
    }
    if (count === 0) {
      return null;
    }
    at += count;
  }
  return null;
}

/** About a chunk, or one line that is longer; empty where no whole line is left. */
async function wholeLinesAt(file: ReadableFile, position: number, end: number): Promise<Buffer> {
  let buffer = Buffer.allocUnsafeSlow(Math.max(0, Math.min(CHUNK_BYTES, end - position)));
  let length = 0;
  while (length < buffer.length) {
    const count = await file.read(buffer, length, buffer.length - length, position + length);
    if (count === 0) {
      break;
    }
    length += count;
    const isWhole = buffer.subarray(0, length).lastIndexOf(NEWLINE) !== -1;
    if (length === buffer.length && !isWhole && length < Math.min(end - position, LINE_BYTES_MAX)) {
      const longer = Buffer.allocUnsafeSlow(Math.min(end - position, length * 2));
      buffer.copy(longer, 0, 0, length);
      buffer = longer;
    }
  }
  const lines = buffer.subarray(0, buffer.subarray(0, length).lastIndexOf(NEWLINE) + 1);
  // Whoever stands still with a few lines must not hold the room of many.
  return lines.length * 2 < buffer.length ? Buffer.from(lines) : lines;
}
