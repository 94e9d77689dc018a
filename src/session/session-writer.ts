import type { FrameProblem } from '../frame/frame-problem.js';
import type { FrameView } from '../frame/frame-view.js';
import { SEQ_MAX } from '../frame/limits.js';
import type { RunEncoder, RunFormat, RunResult } from '../frame/run-encoder.js';
import { encodeSessionIdJson } from '../frame/session-id.js';
import type { SealReason } from '../segment/sealed-segment.js';
import { type AppendOutcome, DUPLICATE, STORED } from './append-outcome.js';
import type { Batch, BatchSource, SegmentTally } from './pending-lines.js';
import { ProducerMarks } from './producer-marks.js';
import { dueByTime, fits } from './rotation-policy.js';
import type { Touched } from './touched-sessions.js';
import { type NumberedLog, UsedNumbers } from './used-numbers.js';
import { WriteLoop } from './write-loop.js';
import type { SessionHistory, WriterContext } from './writer-context.js';

/**
 * The one writer of a session.
 *
 * *Ordering*: `append` numbers a frame and encodes its line in the order of the calls, at once; the pending buffer is the
 * queue. Which segment a line belongs to is decided there too (a cut in the buffer), not when the write happens to run.
 * seq is strictly increasing and never used twice. A frame whose producer's number was reached before is a duplicate and is
 * dropped; so is one whose own number was, when it equals what is stored under that, and else it is refused as a conflict.
 */
export class SessionWriter implements BatchSource, NumberedLog {
  readonly sessionId: string;
  /** UTF-8 of the id: what frames are compared with. */
  readonly idBytes: Buffer;
  readonly loop: WriteLoop;
  /** Next in the same slot of the index. */
  nextInSlot: SessionWriter | null = null;
  /** Forgotten by the registry: whoever holds it must look the session up again. */
  retired = false;
  /** Set by whoever brings frames. */
  flow: object = this;
  /** Of the stream that touched it last. */
  lastTouched: Touched | null = null;

  readonly #context: WriterContext;
  /** The id as it stands in lines. */
  readonly idJson: Uint8Array;
  readonly #producers: ProducerMarks;
  /** As of when the writer was made. */
  readonly #history: { readonly storedSeq: number; readonly expectedSeq: number };
  /** Null until a frame brings a number of its own. */
  #numbers: UsedNumbers | null = null;
  #lastSeq: number;
  #pending: Batch | null = null;
  #tally: SegmentTally | null = null;
  #appendedMark = 0;
  #cuts = 0;
  #touched = true;
  /** Monotonic milliseconds, as of the last sweep that saw a new frame. */
  #lastActiveMs: number;

  constructor(context: WriterContext, sessionId: string, history: SessionHistory) {
    this.#context = context;
    this.sessionId = sessionId;
    this.idBytes = Buffer.from(sessionId);
    this.idJson = encodeSessionIdJson(sessionId);
    this.#producers = new ProducerMarks(history.producers);
    this.#history = { storedSeq: history.lastSeq, expectedSeq: history.active?.summary.lastSeq ?? 0 };
    this.#lastSeq = history.lastSeq;
    this.#lastActiveMs = context.clock.monotonicMs();
    if (history.active !== null) {
      const { summary, openedAtMs, lastActiveMs } = history.active;
      const { firstSeq, lastSeq, frames, bytes } = summary;
      this.#tally = { firstSeq, lastSeq, frames, bytes, openedAtMs, producersBefore: this.#producers.snapshot() };
      this.#lastActiveMs = lastActiveMs;
      this.#touched = false;
    }
    this.loop = new WriteLoop(context, this, history.active?.summary ?? null);
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Bytes appended since the writer was made: what `loop.whenDurable` is asked for. */
  get mark(): number {
    return this.#appendedMark;
  }

  /** Bytes that are held in memory: not durable yet, or with LOG_FSYNC=never not written. */
  get queueBytes(): number {
    return this.#appendedMark - this.loop.releasedMark;
  }

  get hasBatch(): boolean {
    return this.#pending !== null;
  }

  get pendingBytes(): number {
    return this.#pending === null ? 0 : this.#pending.buffer.length;
  }

  get nextTally(): SegmentTally | null {
    return this.#pending?.cuts[0]?.tally ?? this.#tally;
  }

  get firstPending(): { readonly buffer: Buffer; readonly offset: number } | null {
    return this.#pending === null || this.#pending.buffer.length === 0
      ? null
      : { buffer: this.#pending.buffer.bytes, offset: 0 };
  }

  /** The highest producer_seq of a producer; 0 when none is remembered. */
  producerSeqOf(producerId: string): number {
    return this.#producers.markOf(producerId);
  }

  /** Takes one frame of this session. */
  append(view: FrameView): AppendOutcome {
    const named = view.producerSeq > 0 && view.producerIdEnd > view.producerIdStart;
    const producerId = named ? this.#producers.idOf(view.bytes, view.producerIdStart, view.producerIdEnd) : '';
    if (producerId !== '' && this.#producers.isDuplicate(producerId, view.producerSeq)) {
      return DUPLICATE;
    }
    if (view.seq !== 0 && view.seq <= this.#lastSeq) {
      return this.#usedNumbers().judge(view);
    }
    if (view.seq === 0 && this.#lastSeq >= SEQ_MAX) {
      return { field: 'seq', reason: 'can not be assigned: the session has reached 2^53-1' };
    }
    const seq = view.seq === 0 ? this.#lastSeq + 1 : view.seq;
    const problem = this.#encode(view, seq);
    if (problem !== null) {
      return problem;
    }
    if (view.seq !== 0) {
      this.#usedNumbers().record(view);
    }
    if (producerId !== '') {
      this.#producers.record(producerId, view.producerSeq);
    }
    return STORED;
  }

  /**
   * Takes frames of this session from the piece that `runs` has loaded, up to the first that needs a closer look; what became of
   * them stands in `runs`.
   * @param position, format, maxFrameBytes as RunEncoder has them
   * @param nowMs the wall clock's: the time of frames that have none
   */
  appendRun(runs: RunEncoder, position: number, format: RunFormat, maxFrameBytes: number, nowMs: number): RunResult {
    const { limits } = this.#context;
    const producers = this.#producers;
    const roomBytes = limits.maxBytes - (this.#tally?.bytes ?? 0);
    const producerId = producers.lastBytes.length === 0 ? null : producers.lastBytes;
    const mark = producers.lastMark;
    const result = runs.encodeRun(
      position,
      format,
      this,
      this.#lastSeq,
      nowMs,
      maxFrameBytes,
      roomBytes,
      producerId,
      mark,
    );
    if (runs.stored > 0) {
      this.#takeLines(runs);
      if (runs.producerMark > mark) {
        producers.recordLast(runs.producerMark);
      }
    }
    return result;
  }

  /** Whose frames the next run takes, beside those of nobody: the producer in bytes[start, end). */
  nameProducer(bytes: Uint8Array, start: number, end: number): void {
    this.#producers.idOf(bytes, start, end);
  }

  /**
   * What is stored under a number that was reached before; null when nothing is.
   * @throws StorageError, LookupFailed when that can't be told
   */
  storedLine(seq: number): Promise<Buffer | null> {
    return this.#usedNumbers().storedLine(seq);
  }

  /** What a frame is that `append` left undecided, given the line that is stored under its number. */
  compare(view: FrameView, line: Buffer | null): typeof DUPLICATE | FrameProblem {
    return this.#usedNumbers().compare(view, line);
  }

  whenDurable(mark: number): Promise<void> {
    return this.loop.whenDurable(mark);
  }

  /** Ends the segment that is being filled; the next frame starts a new one. Returns how many were ended: for `loop.whenSealed`. */
  cut(reason: SealReason): number {
    if (this.#tally !== null) {
      const pending = this.#pending ?? this.#startBatch();
      this.#cutAt(pending, pending.buffer.length, reason);
      this.loop.wake();
    }
    return this.#cuts;
  }

  takeBatch(): Batch | null {
    const batch = this.#pending;
    this.#pending = null;
    return batch;
  }

  /** Asked of every session a few times a second. Returns true when the writer holds nothing any more and may be forgotten. */
  sweep(nowMs: number): boolean {
    if (this.#touched) {
      this.#touched = false;
      this.#lastActiveMs = nowMs;
    }
    const due = dueByTime(this.#context.limits, this.#tally?.openedAtMs ?? nowMs, this.#lastActiveMs, nowMs);
    if (due !== null) {
      this.cut(due);
    }
    return due === 'idle' && this.#pending === null && this.loop.isEmpty;
  }

  #usedNumbers(): UsedNumbers {
    this.#numbers ??= new UsedNumbers(this.#context, { id: this.sessionId, idJson: this.idJson }, this, this.#history);
    return this.#numbers;
  }

  #encode(view: FrameView, seq: number): FrameProblem | null {
    const pending = this.#pending ?? this.#startBatch();
    const start = pending.buffer.length;
    const serverTimeMs = view.hasTime ? 0 : this.#context.clock.wallMs();
    const problem = this.#context.encoder.encode(view, this.idJson, seq, serverTimeMs, pending.buffer);
    if (problem !== null) {
      this.#dropEmptyBatch(pending);
      return problem;
    }
    const lineBytes = pending.buffer.length - start;
    if (this.#tally !== null && !fits(this.#context.limits, this.#tally.bytes, lineBytes)) {
      this.#cutAt(pending, start, 'size');
    }
    this.#tally ??= this.#newTally(pending.startedAtMs);
    this.#count(this.#tally, seq, seq, 1, lineBytes);
    this.#appended(pending, seq, 1, lineBytes);
    return null;
  }

  /** Lines that were encoded for this session and have not passed its segment's room. */
  #takeLines(runs: RunEncoder): void {
    const { stored, outputBytes, lastSeq } = runs;
    const pending = this.#pending ?? this.#startBatch();
    pending.buffer.append(runs.outputView, outputBytes);
    this.#tally ??= this.#newTally(pending.startedAtMs);
    this.#count(this.#tally, this.#lastSeq + 1, lastSeq, stored, outputBytes);
    this.#appended(pending, lastSeq, stored, outputBytes);
  }

  #appended(pending: Batch, lastSeq: number, frames: number, bytes: number): void {
    pending.frames += frames;
    this.#lastSeq = lastSeq;
    this.#appendedMark += bytes;
    this.#touched = true;
    this.#context.admission.add(bytes);
    this.loop.wake();
  }

  #newTally(openedAtMs: number): SegmentTally {
    const producersBefore = this.#producers.snapshot();
    return { firstSeq: 0, lastSeq: 0, frames: 0, bytes: 0, openedAtMs, producersBefore };
  }

  #count(tally: SegmentTally, firstSeq: number, lastSeq: number, frames: number, bytes: number): void {
    if (tally.frames === 0) {
      tally.firstSeq = firstSeq;
    }
    tally.lastSeq = lastSeq;
    tally.frames += frames;
    tally.bytes += bytes;
  }

  #startBatch(): Batch {
    const startedAtMs = this.#context.clock.monotonicMs();
    this.#pending = { buffer: this.#context.buffers.take(), cuts: [], startedAtMs, frames: 0 };
    return this.#pending;
  }

  #dropEmptyBatch(pending: Batch): void {
    if (pending.buffer.length === 0 && pending.cuts.length === 0) {
      this.#context.buffers.give(pending.buffer);
      this.#pending = null;
    }
  }

  #cutAt(pending: Batch, offset: number, reason: SealReason): void {
    if (this.#tally !== null) {
      pending.cuts.push({ offset, tally: this.#tally, reason, producers: this.#producers.snapshot() });
      this.#tally = null;
      this.#cuts++;
    }
  }
}
