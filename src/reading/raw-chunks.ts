/**
 * Chunks of raw files, shared by all who read the same file: read once, and once made into what a door sends.
 *
 * *Boundaries*: a chunk ends with the last line before a multiple of CHUNK_BYTES of its file, so readers who began in different
 * places come to the same chunks. Where the file ends before that, as it is for the reader, the chunk is the reader's own.
 */
import { LINE_BYTES_MAX } from '../segment/segment-scan.js';
import { KeptPieces, type Piece } from './kept-pieces.js';
import { CHUNK_BYTES, linesOf } from './line-chunks.js';
import type { LogLines } from './log-events.js';
import type { PlacedFiles, ReadableFile } from './placed-files.js';
import { unlessAborted } from './read-places.js';

const NEWLINE = 0x0a;
/** Of the memory of a chunk: its last line may be left out. */
const FILLED_MIN = 7 / 8;
/** Lines and what doors made of them: some chunks for each of a few dozen sessions that are followed at once. */
const KEPT_BYTES_MAX = 16 << 20;

/** A raw file that is read. */
export interface RawFile {
  readonly sessionId: string;
  readonly path: string;
  /** Of its first line, where its name may pass to another file; else null. */
  readonly firstSeq: number | null;
  /** Lines that end behind it are left out. */
  readonly end: number;
  /** It is written to. */
  readonly grows: boolean;
}

export class RawChunks {
  readonly #files: PlacedFiles;
  readonly #kept: KeptPieces<Piece>;

  constructor(files: PlacedFiles, bytesMax: number = KEPT_BYTES_MAX) {
    this.#files = files;
    this.#kept = new KeptPieces(bytesMax);
  }

  /** What is kept for whoever comes next. */
  get keptBytes(): number {
    return this.#kept.bytes;
  }

  /**
   * The chunk that begins at `position`, the start of a line; null where no whole line is left.
   * @throws NotALine; FileMoved, ENOENT
   */
  async at(file: RawFile, position: number, signal: AbortSignal | undefined): Promise<LogLines | null> {
    if (!isShared(position, file.end)) {
      return this.#read(file, position, file.end, signal);
    }
    const limit = limitBehind(position);
    const key = `${position}:${file.firstSeq ?? ''}:${file.path}`;
    // Nobody's signal ends it: others may wait for the same chunk.
    const piece = this.#kept.get(key, async () => {
      const lines = await this.#read({ ...file, end: limit }, position, limit, undefined);
      return { chunks: lines === null ? [] : [lines] };
    });
    // A line that goes beyond the limit is nobody else's: where the file ends, and so whether all of the line is there, is each reader's own.
    return (await unlessAborted(piece, signal)).chunks[0] ?? this.#read(file, position, limit, signal);
  }

  /** Of lines up to `limit`, or the one that is longer: up to the file's end. */
  async #read(
    { sessionId, path, firstSeq, end }: RawFile,
    position: number,
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<LogLines | null> {
    const bytes = await wholeLinesAt(this.#files.file(path, signal, firstSeq), position, limit, end);
    return bytes.length === 0 ? null : linesOf(sessionId, bytes);
  }
}

/** Whether the chunk that begins at `position` ends by its boundary, and not by the file's `end`. */
export function isShared(position: number, end: number): boolean {
  return limitBehind(position) <= end;
}

/** Behind half a chunk, so that one that ended a line before a multiple is not followed by that line alone. */
function limitBehind(position: number): number {
  return Math.ceil((position + CHUNK_BYTES / 2) / CHUNK_BYTES) * CHUNK_BYTES;
}

/** Whole lines up to `limit`, or the one that is longer; empty where no whole line is left before `end`. */
async function wholeLinesAt(file: ReadableFile, position: number, limit: number, end: number): Promise<Buffer> {
  let buffer = Buffer.allocUnsafeSlow(Math.max(0, limit - position));
  let length = 0;
  /** Behind the last whole line. */
  let lineEnd = 0;
  while (length < buffer.length) {
    const count = await file.read(buffer, length, buffer.length - length, position + length);
    if (count === 0) {
      break;
    }
    length += count;
    const read = buffer.subarray(0, length);
    // Of a line that goes beyond the limit the chunk is that line alone: where it ends must not depend on how much was read.
    lineEnd = 1 + (buffer.length > limit - position ? read.indexOf(NEWLINE) : read.lastIndexOf(NEWLINE));
    if (length === buffer.length && lineEnd === 0 && length < Math.min(end - position, LINE_BYTES_MAX)) {
      const longer = Buffer.allocUnsafeSlow(Math.min(end - position, length * 2));
      buffer.copy(longer, 0, 0, length);
      buffer = longer;
    }
  }
  const lines = buffer.subarray(0, lineEnd);
  // Whoever stands still with a few lines must not hold the room of many, and what is kept is counted by its lines.
  return lines.length < buffer.length * FILLED_MIN ? Buffer.from(lines) : lines;
}
