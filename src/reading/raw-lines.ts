/** A raw segment's lines from any seq on: found by halving the file, then read in chunks. */
import { CHUNK_BYTES } from './line-chunks.js';
import type { LogLines } from './log-events.js';
import type { PlacedFiles, ReadableFile } from './placed-files.js';
import { isShared, type RawChunks, type RawFile } from './raw-chunks.js';
import { SEQ_HEAD_BYTES, seqAt } from './stored-line.js';

const NEWLINE = 0x0a;
const PROBE_BYTES = 4096;

export interface RawAccess {
  readonly files: PlacedFiles;
  readonly raw: RawChunks;
  readonly signal: AbortSignal | undefined;
}

/**
 * The chunks of whole lines from the one on that may hold a line above `afterSeq`, up to the last one before the file's end; of a file
 * that grows up to the last one before its end when it was reached, so that whoever is slower than its writer need not look for it
 * again every time. A last line without its newline is left out.
 * @throws NotALine; FileMoved, ENOENT
 */
export async function* rawLines(
  { files, raw, signal }: RawAccess,
  rawFile: RawFile,
  afterSeq: number,
): AsyncGenerator<LogLines, void> {
  const { path, firstSeq } = rawFile;
  const within = <T>(use: (file: ReadableFile) => Promise<T>): Promise<T> => files.at(path, firstSeq, use, signal);
  let { end } = rawFile;
  let position = afterSeq === 0 ? 0 : await within((file) => seek(file, afterSeq, end));
  for (let isWhole = true; isWhole; ) {
    if (rawFile.grows && !isShared(position, end)) {
      end = Math.max(end, await within((file) => file.size()));
    }
    isWhole = isShared(position, end);
    const lines = await raw.at({ ...rawFile, end }, position, signal);
    if (lines === null) {
      return;
    }
    position += lines.bytes.length;
    yield lines;
  }
}

/** A line's start, no more than a chunk before the first line above `afterSeq`. */
async function seek(file: ReadableFile, afterSeq: number, end: number): Promise<number> {
  /** A line begins here that is not above `afterSeq`, or it is the start of the file. */
  let low = 0;
  /** Behind it there is nothing at or below `afterSeq` that begins. */
  let high = end;
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
