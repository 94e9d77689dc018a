import { ActiveSegment, type SegmentContent } from '../segment/active-segment.js';
import { activePath, sealingPath, sessionName } from '../segment/layout.js';
import { mergedMarks } from '../segment/producer-marks.js';
import type { SealedSegment, SealReason, SegmentSummary } from '../segment/sealed-segment.js';
import { scanSegment } from '../segment/segment-scan.js';
import type { OpenFileOwner } from './open-files.js';
import type { Cut, SegmentTally } from './pending-lines.js';
import type { WriterContext } from './writer-context.js';

/**
 * The segments of one session on disk, one after the other: opens, appends, syncs, seals, and ends one that can't be trusted.
 *
 * Every step may be called again after it failed and goes on where it was.
 */
export class SegmentWriter {
  readonly #context: WriterContext;
  readonly #sessionId: string;
  readonly #owner: OpenFileOwner;
  #segment: ActiveSegment | null;
  /** The seal under way: its time stands in the name, and a second attempt goes on with the same one. */
  #sealedAtMs: number | null = null;
  /** What is left of the segment that is being ended; its file may have been moved already. */
  #ending: SegmentSummary | null = null;

  /** @param resumed what recovery found in the session's active file */
  constructor(context: WriterContext, sessionId: string, owner: OpenFileOwner, resumed: SegmentContent | null) {
    this.#context = context;
    this.#sessionId = sessionId;
    this.#owner = owner;
    this.#segment = resumed === null ? null : this.#newSegment(resumed);
  }

  get hasFile(): boolean {
    return this.#segment !== null;
  }

  get isOpen(): boolean {
    return this.#segment?.isOpen === true;
  }

  get nameUnsynced(): boolean {
    return this.#segment?.nameUnsynced === true;
  }

  get unsynced(): boolean {
    return this.#segment?.unsynced === true;
  }

  async append(buffer: Buffer, from: number, to: number): Promise<void> {
    const segment = await this.#opened();
    await segment.append(buffer, from, to);
  }

  /** @throws SyncFailed; `endUntrusted` is due then */
  async sync(): Promise<void> {
    if (this.unsynced) {
      const segment = await this.#opened();
      await segment.sync();
    }
  }

  /** Moves the segment that ends at `cut` under sealing/, synced. @throws SyncFailed as `sync` */
  async seal(cut: Cut): Promise<void> {
    const { firstSeq, lastSeq, frames } = cut.tally;
    const segment = await this.#opened();
    const about = { sessionId: this.#sessionId, firstSeq, lastSeq, frames, producers: cut.producers };
    await this.#moveToSealing(segment, cut.reason, () => ({ ...about, ...segment.content }));
  }

  /**
   * Ends the segment whose sync failed: what was durable before is sealed as `recovery`, the rest is cut off and has to be
   * written again from memory. Takes what was sealed out of `tally`.
   */
  async endUntrusted(tally: SegmentTally): Promise<void> {
    const segment = this.#segment;
    if (segment === null) {
      return;
    }
    if (segment.trusted.bytes === 0) {
      await this.#context.files.remove(segment.path);
      this.#forget();
      return;
    }
    await this.#context.openFiles.acquire(this.#owner);
    await segment.cutBackToTrusted();
    this.#ending ??= await this.#scanned(segment, tally.producersBefore);
    const summary = this.#ending;
    await this.#moveToSealing(segment, 'recovery', () => summary);
    this.#ending = null;
    tally.frames -= summary.frames;
    tally.bytes -= summary.bytes;
    tally.producersBefore = summary.producers;
  }

  /** After a failed sync with LOG_FSYNC=never: what is there is sealed as it is, and verified when it is compressed. */
  forgoSync(fsync: 'ack' | 'never'): void {
    if (fsync === 'never') {
      this.#segment?.forgoSync();
    }
  }

  /** Syncs and gives the descriptor back. @throws SyncFailed as `sync` */
  async close(): Promise<void> {
    try {
      await this.#segment?.close();
    } finally {
      if (!this.isOpen) {
        this.#context.openFiles.release(this.#owner);
      }
    }
  }

  async #moveToSealing(segment: ActiveSegment, reason: SealReason, summarize: () => SegmentSummary): Promise<void> {
    const { layout, clock, events } = this.#context;
    this.#sealedAtMs ??= Math.floor(clock.wallMs() / 1000) * 1000;
    const sealedAtMs = this.#sealedAtMs;
    const summary = summarize();
    const rawPath = sealingPath(layout, this.#sessionId, { ...summary, sealedAtMs });
    await segment.moveTo(rawPath, layout.sealing);
    this.#sealedAtMs = null;
    this.#forget();
    const sealed: SealedSegment = { summary, sealedAtMs, reason, rawPath };
    events.sealed(sealed);
  }

  async #scanned(segment: ActiveSegment, before: ReadonlyMap<string, number>): Promise<SegmentSummary> {
    const file = await this.#context.files.open(segment.path, 'read');
    try {
      const { summary, damage } = await scanSegment(file, sessionName(this.#sessionId));
      if (summary === null || damage !== null) {
        throw new Error('the durable part of a segment does not read back');
      }
      return { ...summary, producers: mergedMarks(before, summary.producers) };
    } finally {
      await file.close();
    }
  }

  async #opened(): Promise<ActiveSegment> {
    this.#segment ??= this.#newSegment(null);
    if (this.#segment.isOpen) {
      this.#context.openFiles.touch(this.#owner);
    } else {
      await this.#context.openFiles.acquire(this.#owner);
      await this.#segment.open();
    }
    return this.#segment;
  }

  #newSegment(resumed: SegmentContent | null): ActiveSegment {
    const { files, directories, layout } = this.#context;
    return new ActiveSegment(files, directories, activePath(layout, this.#sessionId), resumed);
  }

  #forget(): void {
    this.#segment = null;
    this.#context.openFiles.release(this.#owner);
  }
}
