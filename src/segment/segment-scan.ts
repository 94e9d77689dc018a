/**
 * Reads a raw segment from its first byte and says how much of it can be vouched for.
 *
 * A line counts when it is UTF-8, JSON, carries the session's id, and a seq above the one before it. The first line that
 * does not count ends the segment's valid part: what follows may be a torn write, a NUL tail (the size was committed
 * without the data), or damage; none of it is trusted, none of it is thrown away.
 */
import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { OpenFile } from './files.js';
import { sessionName } from './layout.js';
import type { SegmentSummary } from './sealed-segment.js';

const READ_BYTES = 1 << 20;
/** No frame makes a longer line (LOG_MAX_FRAME_BYTES is at most 64 MiB, and a byte becomes at most six). */
export const LINE_BYTES_MAX = 512 << 20;
const NEWLINE = 0x0a;

export interface SegmentScan {
  /** What the valid lines say; null when there is none. */
  readonly summary: SegmentSummary | null;
  /** Length of the file. */
  readonly totalBytes: number;
  /** Why the valid part ends before the file does; null when all of it is valid. */
  readonly damage: 'torn line' | 'NUL bytes' | 'invalid line' | null;
}

/** Bytes in order, by position: a raw file, or what a compressed one holds. */
export type SegmentSource = Pick<OpenFile, 'read' | 'size'>;

/** @param name the session's name in the file system, which the lines' session_id must have */
export async function scanSegment(file: SegmentSource, name: string): Promise<SegmentScan> {
  const lines = new LineCheck(name);
  const totalBytes = await file.size();
  let chunk = Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, totalBytes)));
  /** Bytes of an unfinished line at the front of `chunk`. */
  let carried = 0;
  let position = 0;
  while (position < totalBytes && !lines.ended) {
    if (carried === chunk.length) {
      if (carried >= LINE_BYTES_MAX) {
        break;
      }
      chunk = Buffer.concat([chunk, Buffer.allocUnsafeSlow(chunk.length)]);
    }
    const read = await file.read(chunk, carried, chunk.length - carried, position);
    if (read === 0) {
      break;
    }
    position += read;
    const end = carried + read;
    const taken = lines.take(chunk, end);
    chunk.copy(chunk, 0, taken, end);
    carried = end - taken;
  }
  const damage = lines.bytes === totalBytes ? null : damageOf(chunk, carried, lines.ended);
  return { summary: lines.summary(), totalBytes, damage };
}

function damageOf(rest: Buffer, length: number, invalidLine: boolean): SegmentScan['damage'] {
  if (length > 0 && rest[0] === 0) {
    return 'NUL bytes';
  }
  return invalidLine ? 'invalid line' : 'torn line';
}

interface Line {
  readonly seq: number;
  readonly time: string;
  readonly sessionId: string;
  readonly producerId: string;
  readonly producerSeq: number;
}

/** Takes a segment's lines one after the other, up to the first that does not count. */
export class LineCheck {
  readonly #name: string;
  #first: Line | null = null;
  #last: Line | null = null;
  #frames = 0;
  #crc = 0;
  readonly #producers = new Map<string, number>();
  /** Of the valid lines. */
  bytes = 0;
  /** A line did not count: nothing after it does. */
  ended = false;

  constructor(name: string) {
    this.#name = name;
  }

  /** Takes the whole lines of chunk[0, end). Returns how many bytes counted. */
  take(chunk: Buffer, end: number): number {
    let start = 0;
    while (start < end) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline === -1 || newline >= end) {
        break;
      }
      const line = this.#check(chunk.subarray(start, newline));
      if (line === null) {
        this.ended = true;
        break;
      }
      this.#count(line);
      start = newline + 1;
    }
    this.#crc = crc32(chunk.subarray(0, start), this.#crc);
    this.bytes += start;
    return start;
  }

  summary(): SegmentSummary | null {
    if (this.#first === null || this.#last === null) {
      return null;
    }
    return {
      sessionId: this.#first.sessionId,
      firstSeq: this.#first.seq,
      lastSeq: this.#last.seq,
      frames: this.#frames,
      firstTime: this.#first.time,
      lastTime: this.#last.time,
      bytes: this.bytes,
      crc32: this.#crc,
      producers: this.#producers,
    };
  }

  #count(line: Line): void {
    this.#first ??= line;
    this.#last = line;
    this.#frames++;
    if (line.producerId !== '' && line.producerSeq > (this.#producers.get(line.producerId) ?? 0)) {
      this.#producers.set(line.producerId, line.producerSeq);
    }
  }

  #check(bytes: Buffer): Line | null {
    const line = isUtf8(bytes) ? parseLine(bytes.toString('utf8')) : null;
    if (line === null || line.seq <= (this.#last?.seq ?? 0)) {
      return null;
    }
    const sameSession =
      this.#first === null ? sessionName(line.sessionId) === this.#name : line.sessionId === this.#first.sessionId;
    return sameSession ? line : null;
  }
}

function parseLine(text: string): Line | null {
  // A valid line of another shape than the encoder's was not written by it.
  if (!text.startsWith('{"seq":')) {
    return null;
  }
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
  const { seq, time, session_id: sessionId, producer_id: producerId = '', producer_seq: producerSeq = 0 } = value;
  const valid =
    Number.isSafeInteger(seq) &&
    typeof time === 'string' &&
    typeof sessionId === 'string' &&
    typeof producerId === 'string' &&
    Number.isSafeInteger(producerSeq);
  return valid ? ({ seq, time, sessionId, producerId, producerSeq } as Line) : null;
}
