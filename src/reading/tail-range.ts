/**
 * Where the last N lines begin, found from the end: blocks of raw files backwards, gzip members backwards; segments that
 * are not reached down to their first line are not read at all, only counted by their manifests. Where the session ends says
 * the name of its newest segment, so that whoever does not ask for a tail is given every line before a damage there.
 */
import type { Manifest } from '../segment/manifest.js';
import { readFully } from '../segment/read-fully.js';
import type { LogLines } from './log-events.js';
import type { ReadableFile } from './placed-files.js';
import { planSegments, type SegmentFile } from './plan.js';
import { unlessAborted } from './read-places.js';
import { manifestOf } from './segment-bytes.js';
import { damagedSegment, segmentError } from './segment-damage.js';
import { type SegmentAccess, segmentLines } from './segment-lines.js';
import type { Snapshot } from './snapshot.js';
import { nextLine, SEQ_HEAD_BYTES, seqAt } from './stored-line.js';

/** Lines above `afterSeq`, up to and with `throughSeq`. */
export interface SeqRange {
  readonly afterSeq: number;
  readonly throughSeq: number;
}

const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * The range of the last `count` lines of a snapshot; with 0 an empty one.
 * @throws ReadingError DAMAGED_SEGMENT when the lines are in one, with 0 never; FileMoved, ENOENT when a file has moved on
 */
export async function tailRange(access: SegmentAccess, snapshot: Snapshot, count: number): Promise<SeqRange> {
  if (count === 0) {
    const throughSeq = await lastSeqOf(access, snapshot);
    return { afterSeq: throughSeq, throughSeq };
  }
  const tail = new Tail(count);
  await tail.addAll(seqsOfActiveBackwards(access, snapshot));
  for (const segment of planSegments(snapshot.sealed, 0).toReversed()) {
    if (tail.isComplete) {
      break;
    }
    const manifest = segment.hasManifest
      ? await access.files.step((files) => manifestOf(files, segment), access.signal)
      : null;
    if (manifest !== null && segment.lastSeq < tail.oldestSeq && manifest.frames <= tail.missing) {
      tail.addWhole(manifest);
    } else {
      await tail.addAll(seqsOfSegmentBackwards(access, segment, manifest));
    }
  }
  return tail.range;
}

/** Of the last line; 0 when there is none. */
async function lastSeqOf(access: SegmentAccess, snapshot: Snapshot): Promise<number> {
  for await (const seq of seqsOfActiveBackwards(access, snapshot)) {
    return seq;
  }
  return planSegments(snapshot.sealed, 0).at(-1)?.lastSeq ?? 0;
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

async function* seqsOfActiveBackwards(access: SegmentAccess, { active }: Snapshot): AsyncGenerator<number, void> {
  if (active !== null && active.firstSeq !== null) {
    const file = access.files.file(active.path, access.signal, active.firstSeq);
    yield* seqsOfFileBackwards(file, active.bytes);
  }
}

/** @throws ReadingError DAMAGED_SEGMENT, also when the last line is not the one that its name says; ENOENT */
async function* seqsOfSegmentBackwards(
  access: SegmentAccess,
  segment: SegmentFile,
  manifest: Manifest | null,
): AsyncGenerator<number, void> {
  let lastSeq = 0;
  try {
    for await (const seq of seqsOfContentBackwards(access, segment, manifest)) {
      lastSeq ||= seq;
      if (lastSeq < segment.lastSeq) {
        break;
      }
      yield seq;
    }
  } catch (error) {
    throw segmentError(segment, error);
  }
  if (lastSeq < segment.lastSeq) {
    throw damagedSegment(segment, new Error(`it ends at seq ${lastSeq}`));
  }
}

async function* seqsOfContentBackwards(
  access: SegmentAccess,
  segment: SegmentFile,
  manifest: Manifest | null,
): AsyncGenerator<number, void> {
  if (!segment.isGzip) {
    const file = access.files.file(segment.path, access.signal);
    yield* seqsOfFileBackwards(file, await file.size());
  } else if (manifest !== null && manifest.members.length > 0) {
    yield* seqsOfMembersBackwards(access, segment, manifest);
  } else {
    yield* await seqsForwards(segmentLines(access, segment, 0));
  }
}

/** The seqs of all whole lines in file[0, end), last line first. */
async function* seqsOfFileBackwards(file: ReadableFile, end: number): AsyncGenerator<number, void> {
  for await (const { seq } of linesBackwards(file, end)) {
    yield seq;
  }
}

/** A whole line's place in its file. */
export interface LinePlace {
  readonly start: number;
  /** Behind its newline. */
  readonly end: number;
  readonly seq: number;
}

/** The whole lines in file[0, from), last line first. What does not begin as stored lines do is passed over. */
export async function* linesBackwards(file: ReadableFile, from: number): AsyncGenerator<LinePlace, void> {
  /** The start of the block behind: a line's seq may reach into it. */
  let behind: Buffer = Buffer.alloc(0);
  /** Nothing behind the last newline is a line. */
  let lineEnd: number | null = null;
  let end = from;
  while (end > 0) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const block = Buffer.concat([await readFully(file, start, end - start), behind]);
    for (const lineStart of lineStartsBackwards(block, end - start, start === 0)) {
      const seq = lineEnd === null ? null : seqAt(block, lineStart);
      if (lineEnd !== null && seq !== null) {
        yield { start: start + lineStart, end: lineEnd, seq };
      }
      lineEnd = start + lineStart;
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

async function* seqsOfMembersBackwards(
  { inflated, sessionId, signal }: SegmentAccess,
  { path }: SegmentFile,
  manifest: Manifest,
): AsyncGenerator<number, void> {
  let compressedEnd = manifest.compressed_bytes;
  for (const { compressed_offset: compressedOffset } of manifest.members.toReversed()) {
    const member = await unlessAborted(inflated.get({ sessionId, path, compressedOffset, compressedEnd }), signal);
    for (const chunk of member.chunks.toReversed()) {
      yield* seqsOf(chunk).toReversed();
    }
    compressedEnd = compressedOffset;
  }
}

async function seqsForwards(chunks: AsyncIterable<LogLines>): Promise<number[]> {
  const seqs: number[] = [];
  for await (const lines of chunks) {
    for (const seq of seqsOf(lines)) {
      seqs.push(seq);
    }
  }
  return seqs.toReversed();
}

function seqsOf({ bytes }: LogLines): number[] {
  const seqs: number[] = [];
  for (let start = 0; start < bytes.length; start = nextLine(bytes, start)) {
    const seq = seqAt(bytes, start);
    if (seq !== null) {
      seqs.push(seq);
    }
  }
  return seqs;
}
