import { type Layout, type SegmentName, sessionName } from '../segment/layout.js';
import type { Manifest } from '../segment/manifest.js';
import { quarantinedSegments } from '../segment/quarantine.js';
import { goneWithin, isChainBroken, type SeqSpan } from './gaps.js';
import type { PlacedFiles } from './placed-files.js';
import type { SegmentFile } from './plan.js';
import { manifestOf } from './segment-bytes.js';

/** A hole between two stored lines, or behind the last one. */
export interface Hole extends SeqSpan {
  /** The segments on its sides. */
  readonly before: SegmentFile | null;
  readonly behind: SegmentFile | null;
}

/** Asks the disk what was stored in a hole: see gaps.ts. Only where there is one, so not of sessions that leave no numbers out. */
export class GapFinder {
  readonly #files: PlacedFiles;
  readonly #layout: Layout;

  constructor(files: PlacedFiles, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
  }

  /** @param known what else is known to have been stored there @returns what is gone, in order */
  async find(
    sessionId: string,
    hole: Hole,
    known: readonly SeqSpan[],
    signal: AbortSignal | undefined,
  ): Promise<SeqSpan[]> {
    if (hole.firstSeq > hole.lastSeq) {
      return [];
    }
    const { before, behind } = hole;
    const spans = [...known, ...(await this.#quarantined(sessionId, signal))];
    if (behind !== null && isChainBroken(await this.#chained(before, signal), await this.#manifest(behind, signal))) {
      spans.push({ firstSeq: (before?.lastSeq ?? 0) + 1, lastSeq: behind.firstSeq - 1 });
    }
    return goneWithin(hole, spans);
  }

  #quarantined(sessionId: string, signal: AbortSignal | undefined): Promise<SegmentName[]> {
    return this.#files.step(async (files) => {
      const names = await files.list(this.#layout.quarantine);
      return quarantinedSegments(names, sessionName(sessionId));
    }, signal);
  }

  async #chained(before: SegmentFile | null, signal: AbortSignal | undefined): Promise<Manifest | null | 'unknown'> {
    return before === null ? null : ((await this.#manifest(before, signal)) ?? 'unknown');
  }

  async #manifest(segment: SegmentFile, signal: AbortSignal | undefined): Promise<Manifest | null> {
    return segment.state === 'sealing' ? null : this.#files.step((files) => manifestOf(files, segment), signal);
  }
}
