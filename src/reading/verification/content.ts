/** What a segment's file holds, read once from end to end: hash, lines, gzip members. */
import { createHash } from 'node:crypto';
import type { OpenFile } from '../../segment/files.js';
import type { GzipMember } from '../../segment/manifest.js';
import type { SegmentSummary } from '../../segment/sealed-segment.js';
import { LINE_BYTES_MAX, LineCheck } from '../../segment/segment-scan.js';
import { fileBytes } from '../segment-bytes.js';
import { SEQ_HEAD_BYTES, seqAt } from '../stored-line.js';
import { GzipDamage, inflatedMembers } from './gzip-members.js';

const NEWLINE = 0x0a;
const LINE_START = 0x7b;

export interface ContentOptions {
  readonly isGzip: boolean;
  /** The session's name on disk, which the lines' session_id must have. */
  readonly name: string;
  /** Of NDJSON: reading ends as soon as there is more. Null when nobody knows: it ends at the first invalid line. */
  readonly bytesMax: number | null;
  readonly signal: AbortSignal;
  /** Told how many more bytes of the file were read. */
  readonly onRead: (bytes: number) => void;
}

export interface Content {
  /** What the valid lines say; null when there is none. */
  readonly summary: SegmentSummary | null;
  /** Of NDJSON, as far as it was read. */
  readonly bytes: number;
  readonly storedBytes: number;
  /** Of the NDJSON, hex; null when not all of it was read. */
  readonly sha256: string | null;
  readonly members: readonly GzipMember[];
  readonly end: ContentEnd;
}

export type ContentEnd =
  /** Whole lines to the end of the file. */
  | { readonly kind: 'whole' }
  /** Valid lines, and the beginning of another. */
  | { readonly kind: 'unfinished'; readonly bytes: number }
  /** Valid lines, and NUL bytes in what follows, which no line holds. */
  | { readonly kind: 'NUL bytes' }
  /** Valid lines, and one that is not. */
  | { readonly kind: 'invalid line' }
  /** More bytes than `bytesMax`. */
  | { readonly kind: 'too much' }
  | { readonly kind: 'gzip'; readonly message: string };

/** @throws the error of the disk, the signal's reason */
export async function readContent(file: OpenFile, options: ContentOptions): Promise<Content> {
  const content = new ContentReading(options);
  const end = await content.read(file);
  return content.result(end);
}

class ContentReading {
  readonly #options: ContentOptions;
  readonly #lines: LineCheck;
  readonly #sha256 = createHash('sha256');
  readonly #members: { start: GzipMember; head: Buffer }[] = [];
  /** The line that the last chunk ended in, in pieces: joined once, when it is whole. */
  #open: Buffer[] = [];
  #openBytes = 0;
  #bytes = 0;
  #storedBytes = 0;

  constructor(options: ContentOptions) {
    this.#options = options;
    this.#lines = new LineCheck(options.name);
  }

  async read(file: OpenFile): Promise<ContentEnd> {
    const { isGzip, bytesMax, signal } = this.#options;
    const onMember = (offset: number) => this.#beginMember(offset);
    const chunks = isGzip ? inflatedMembers(file, onMember, (end) => this.#readUpTo(end)) : fileBytes(file);
    try {
      for await (const chunk of chunks) {
        signal.throwIfAborted();
        this.#take(chunk);
        if (!isGzip) {
          this.#readUpTo(this.#bytes);
        }
        if (bytesMax !== null && this.#bytes > bytesMax) {
          return { kind: 'too much' };
        }
        if (this.#isUnlimited && this.#lines.ended) {
          break;
        }
      }
    } catch (error) {
      if (error instanceof GzipDamage) {
        return { kind: 'gzip', message: error.message };
      }
      throw error;
    }
    return this.#endOfLines();
  }

  result(end: ContentEnd): Content {
    const isAllRead = end.kind !== 'too much' && end.kind !== 'gzip' && !(this.#lines.ended && this.#isUnlimited);
    return {
      summary: this.#lines.summary(),
      bytes: this.#bytes,
      storedBytes: this.#storedBytes,
      sha256: isAllRead ? this.#sha256.digest('hex') : null,
      members: this.#members.map(({ start, head }) => ({ ...start, first_seq: seqAt(head, 0) ?? 0 })),
      end,
    };
  }

  get #isUnlimited(): boolean {
    return this.#options.bytesMax === null;
  }

  #endOfLines(): ContentEnd {
    if (this.#open.some((piece) => piece.includes(0))) {
      return { kind: 'NUL bytes' };
    }
    if (this.#lines.ended) {
      return { kind: 'invalid line' };
    }
    return this.#openBytes > 0 ? { kind: 'unfinished', bytes: this.#openBytes } : { kind: 'whole' };
  }

  #readUpTo(storedBytes: number): void {
    this.#options.onRead(storedBytes - this.#storedBytes);
    this.#storedBytes = storedBytes;
  }

  #beginMember(compressedOffset: number): void {
    const start = { first_seq: 0, raw_offset: this.#bytes, compressed_offset: compressedOffset };
    this.#members.push({ start, head: Buffer.alloc(0) });
  }

  #take(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#sha256.update(chunk);
    const member = this.#members.at(-1);
    if (member !== undefined && member.head.length < SEQ_HEAD_BYTES) {
      member.head = Buffer.concat([member.head, chunk.subarray(0, SEQ_HEAD_BYTES)]);
    }
    if (!this.#lines.ended) {
      this.#takeLines(chunk);
    }
  }

  #takeLines(chunk: Buffer): void {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      const whole = chunk.subarray(0, end);
      const lines = this.#open.length === 0 ? whole : Buffer.concat([...this.#open, whole]);
      this.#lines.take(lines, lines.length);
      this.#open = [];
      this.#openBytes = 0;
    }
    if (end < chunk.length && !this.#lines.ended) {
      this.#open.push(chunk.subarray(end));
      this.#openBytes += chunk.length - end;
      // What cannot become a line is not gathered until its end, which may never come.
      this.#lines.ended = this.#open[0]?.[0] !== LINE_START || this.#openBytes > LINE_BYTES_MAX;
    }
  }
}
