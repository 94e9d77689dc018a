/**
 * Where the last N lines begin, found from the end: blocks of raw files backwards, gzip members backwards; segments that
 * are not reached down to their first line are not read at all, only counted by their manifests.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Files, OpenFile } from '../segment/files.js';
import type { Manifest } from '../segment/manifest.js';
import { planSegments, type SegmentFile } from './plan.js';
import { manifestOf, segmentBytes } from './segment-bytes.js';
import type { Snapshot } from './snapshot.js';
import { nextLine, SEQ_HEAD_BYTES, seqAt, wholeLines } from './stored-line.js';

/** Lines above `afterSeq`, up to and with `throughSeq`. */
export interface SeqRange {
  readonly afterSeq: number;
  readonly throughSeq: number;
}

const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const inflate = promisify(gunzip);

/** The range of the last `count` lines of a snapshot. @throws ENOENT when a file has moved on */
export async function tailRange(files: Files, snapshot: Snapshot, count: number): Promise<SeqRange> {
  const tail = new Tail(count);
  if (snapshot.active !== null) {
    await tail.addAll(seqsOfFileBackwards(snapshot.active));
  }
  for (const segment of planSegments(snapshot.sealed, 0).toReversed()) {
    if (tail.isComplete) {
      break;
    }
    const manifest = segment.state === 'finished' ? await manifestOf(files, segment) : null;
    if (manifest !== null && segment.lastSeq < tail.oldestSeq && manifest.frames <= tail.missing) {
      tail.addWhole(manifest);
    } else {
      await tail.addAll(seqsOfSegmentBackwards(files, segment, manifest));
    }
  }
  return tail.range;
}

/** What is known of the tail, from its end towards its beginning. */
class Tail {
  missing: number;
  /** What moves while it is looked at is met twice: only lines below this one are new. */
  oldestSeq = Number.POSITIVE_INFINITY;
  #newestSeq = 0;

  constructor(count: number) {
    this.missing = count;
  }

  get isComplete(): boolean {
    return this.missing <= 0;
  }

  get range(): SeqRange {
    return this.#newestSeq === 0
      ? { afterSeq: 0, throughSeq: 0 }
      : { afterSeq: this.oldestSeq - 1, throughSeq: this.#newestSeq };
  }

  addWhole(manifest: Manifest): void {
    this.#newestSeq ||= manifest.last_seq;
    this.oldestSeq = manifest.first_seq;
    this.missing -= manifest.frames;
  }

  async addAll(seqsBackwards: AsyncIterable<number>): Promise<void> {
    if (this.isComplete) {
      return;
    }
    for await (const seq of seqsBackwards) {
      if (seq < this.oldestSeq) {
        this.#newestSeq ||= seq;
        this.oldestSeq = seq;
        this.missing--;
      }
      if (this.isComplete) {
        return;
      }
    }
  }
}

async function* seqsOfSegmentBackwards(
  files: Files,
  segment: SegmentFile,
  manifest: Manifest | null,
): AsyncGenerator<number, void> {
  if (segment.isGzip && (manifest === null || manifest.members.length === 0)) {
    yield* (await seqsForwards(segmentBytes(files, segment, 0))).toReversed();
    return;
  }
  const file = await files.open(segment.path, 'read');
  try {
    yield* manifest === null || !segment.isGzip ? seqsOfFileBackwards(file) : seqsOfMembersBackwards(file, manifest);
  } finally {
    await file.close();
  }
}

/** The seqs of all whole lines of a raw file, last line first. */
export async function* seqsOfFileBackwards(file: OpenFile): AsyncGenerator<number, void> {
  for await (const { seq } of linesBackwards(file)) {
    yield seq;
  }
}

/** Where each whole line of a raw file starts, last line first. What does not begin as stored lines do is passed over. */
export async function* linesBackwards(file: OpenFile): AsyncGenerator<{ start: number; seq: number }, void> {
  /** The start of the block behind: a line's seq may reach into it. */
  let behind: Buffer = Buffer.alloc(0);
  /** Nothing behind the last newline is a line. */
  let isTorn = true;
  let end = await file.size();
  while (end > 0) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const block = Buffer.concat([await readExactly(file, start, end - start), behind]);
    for (const lineStart of lineStartsBackwards(block, end - start, start === 0)) {
      const seq = isTorn ? null : seqAt(block, lineStart);
      isTorn = false;
      if (seq !== null) {
        yield { start: start + lineStart, seq };
      }
    }
    behind = Buffer.from(block.subarray(0, SEQ_HEAD_BYTES));
    end = start;
  }
}

/** Every place in block[0, end] behind a newline, from the end on, and with `isFirst` the start of the block. */
function* lineStartsBackwards(block: Buffer, end: number, isFirst: boolean): Generator<number, void> {
  let at = end;
  while (at > 0) {
    const newline = block.lastIndexOf(NEWLINE, at - 1);
    if (newline === -1) {
      break;
    }
    yield newline + 1;
    at = newline;
  }
  if (isFirst) {
    yield 0;
  }
}

async function* seqsOfMembersBackwards(file: OpenFile, manifest: Manifest): AsyncGenerator<number, void> {
  let end = await file.size();
  let rawEnd = manifest.bytes;
  for (const member of manifest.members.toReversed()) {
    const compressed = await readExactly(file, member.compressed_offset, end - member.compressed_offset);
    // What the manifest says is what may be inflated, and no more.
    const lines = await inflate(compressed, { maxOutputLength: rawEnd - member.raw_offset });
    yield* seqsOf(lines).toReversed();
    end = member.compressed_offset;
    rawEnd = member.raw_offset;
  }
}

async function seqsForwards(bytes: AsyncIterable<Buffer>): Promise<number[]> {
  const seqs: number[] = [];
  for await (const lines of wholeLines(bytes)) {
    for (const seq of seqsOf(lines)) {
      seqs.push(seq);
    }
  }
  return seqs;
}

function seqsOf(lines: Buffer): number[] {
  const seqs: number[] = [];
  for (let start = 0; start < lines.length; start = nextLine(lines, start)) {
    const seq = seqAt(lines, start);
    if (seq !== null) {
      seqs.push(seq);
    }
  }
  return seqs;
}

async function readExactly(file: OpenFile, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const count = await file.read(buffer, done, length - done, position + done);
    if (count === 0) {
      break;
    }
    done += count;
  }
  return buffer.subarray(0, done);
}
