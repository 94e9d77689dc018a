/** One sealed segment on its way through the steps of seal-steps.ts. */
import type { Manifest } from '../segment/manifest.js';
import { manifestId } from '../segment/manifest.js';
import type { SealedSegment } from '../segment/sealed-segment.js';
import type { BackoffBounds, LaneJob, LaneMemory } from './lane-job.js';
import { DISK_BACKOFF } from './lane-job.js';
import type { RecordName } from './outbox-record.js';
import {
  dropRawFile,
  giveUp,
  recordNameOfSegment,
  recordSegment,
  type SealContext,
  storeSegment,
} from './seal-steps.js';
import { isSealingError } from './sealing-error.js';

type Step =
  /** `fruitless`: tries that failed for a reason of the segment's own. */
  | { readonly kind: 'store'; readonly fruitless: number }
  | { readonly kind: 'record'; readonly manifest: Manifest }
  | { readonly kind: 'drop raw file' }
  | { readonly kind: 'give up'; readonly reason: unknown }
  | { readonly kind: 'done' };

const FRUITLESS_MAX = 5;
/** 7.5 s in all before a segment is given up: what is wrong with the process (memory, say) may pass meanwhile. */
const FRUITLESS_BACKOFF = { firstMs: 500, maxMs: 5_000 };

export class SegmentJob implements LaneJob {
  readonly kind = 'segment';
  readonly segment: SealedSegment;
  readonly #context: SealContext;
  #step: Step = { kind: 'store', fruitless: 0 };

  constructor(context: SealContext, segment: SealedSegment) {
    this.#context = context;
    this.segment = segment;
  }

  get recordName(): RecordName {
    return recordNameOfSegment(this.segment);
  }

  get step(): string {
    return this.#step.kind;
  }

  get about(): object {
    const { summary, reason } = this.segment;
    return { segment: manifestId(summary.sessionId, summary.firstSeq, summary.lastSeq), reason };
  }

  /** Its manifest is on disk. */
  get isStored(): boolean {
    return this.#step.kind === 'record' || this.#step.kind === 'drop raw file';
  }

  async advance(lane: LaneMemory): Promise<boolean> {
    this.#step = await this.#run(lane);
    return this.#step.kind === 'done';
  }

  failed(error: unknown): BackoffBounds {
    if (this.#step.kind === 'store') {
      this.#context.metrics.compressionFailures.inc();
      const fruitless = this.#step.fruitless + (isFruitless(error) ? 1 : 0);
      this.#step = fruitless >= FRUITLESS_MAX ? { kind: 'give up', reason: error } : { kind: 'store', fruitless };
    }
    return isFruitless(error) ? FRUITLESS_BACKOFF : DISK_BACKOFF;
  }

  /** Runs one step; resolves to the next. */
  async #run(lane: LaneMemory): Promise<Step> {
    const { segment } = this;
    const context = this.#context;
    const step = this.#step;
    switch (step.kind) {
      case 'store': {
        const { manifest, isNew } = await storeSegment(context, segment, lane.previousSha256);
        // Where a power cut brought a raw file back, those of later segments may be gone for good: the disk knows the newest.
        lane.previousSha256 = isNew ? manifest.sha256 : undefined;
        return { kind: 'record', manifest };
      }
      case 'record':
        await recordSegment(context, step.manifest);
        return { kind: 'drop raw file' };
      case 'drop raw file':
        await dropRawFile(context, segment);
        return { kind: 'done' };
      case 'give up': {
        const quarantine = await giveUp(context, segment);
        context.logger.error(
          { ...this.about, quarantine, err: step.reason },
          isSealingError(step.reason, 'unusable')
            ? 'A sealed segment is not what was written; it is in quarantine and will not be announced.'
            : `A sealed segment could not be compressed in ${FRUITLESS_MAX} tries; it is in quarantine and will not be announced.`,
        );
        return { kind: 'done' };
      }
      case 'done':
        return step;
    }
  }
}

/** Failures that another try may repeat for ever; those of the disk pass with their cause. */
function isFruitless(error: unknown): boolean {
  return isSealingError(error, 'unusable') || isSealingError(error, 'worker');
}
