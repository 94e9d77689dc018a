/**
 * What happens to sealed segments, in order, each step restartable.
 *
 * *Ordering.* The segments of one session are finished one after the other, in the order of accept(): a segment's
 * manifest is durable before the next one is looked at, and names the one before it (`prev_sha256`). Sessions do not
 * wait for one another; about as many work at a time as there are compression threads.
 *
 * *Fail-soft.* A failed step is tried again with backoff, for ever, without a word to the caller; it holds up its own
 * session only. Bytes that are not those that were sealed are given up after a few tries: they go to quarantine/, and
 * the session goes on.
 *
 * *Restart.* Nothing is remembered but what the disk says: accept() with the raw file of an earlier run goes on where
 * that run stopped (seal-steps.ts).
 */

import { backoffMs } from '../segment/backoff.js';
import type { Clock } from '../segment/clock.js';
import type { Files } from '../segment/files.js';
import type { Layout } from '../segment/layout.js';
import { type Manifest, manifestId } from '../segment/manifest.js';
import type { SealedSegment } from '../segment/sealed-segment.js';
import type { SessionHistories } from '../segment/session-history.js';
import { systemCode } from '../segment/system-code.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { CompressionPool } from './compression-pool.js';
import type { Compressor } from './compressor.js';
import type { Outbox } from './outbox.js';
import {
  dropRawFile,
  giveUp,
  recordNameOfSegment,
  recordSegment,
  type SealContext,
  storeSegment,
} from './seal-steps.js';
import { isSealingError } from './sealing-error.js';

export interface SealingOptions {
  readonly layout: Layout;
  readonly files: Files;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly compression: 'gzip' | 'none';
  readonly gzipLevel: number;
  readonly histories: SessionHistories;
  /** Compression threads. */
  readonly workers: number;
  /** Instead of the threads; tests bring one. Closed with the pipeline. */
  readonly compressor?: Compressor | undefined;
  /** Null: no Redis is configured, no records are written. */
  readonly outbox: Outbox | null;
}

interface Job {
  readonly segment: SealedSegment;
  step: Step;
  /** In a row, of this step. */
  failures: number;
}

type Step =
  /** `fruitless`: tries that failed for a reason of the segment's own. */
  | { readonly kind: 'store'; readonly fruitless: number }
  | { readonly kind: 'record'; readonly manifest: Manifest }
  | { readonly kind: 'drop raw file' }
  | { readonly kind: 'give up'; readonly reason: unknown }
  | { readonly kind: 'done' };

/** The jobs of one session; it exists while there are any. */
interface Lane {
  readonly sessionId: string;
  readonly jobs: Job[];
  /** `sha256` of the segment this lane stored last; undefined when the next one's has to be looked up on disk. */
  previousSha256: string | undefined;
  state:
    | { readonly kind: 'queued' }
    | { readonly kind: 'working' }
    | { readonly kind: 'backing off'; readonly cancel: () => void };
}

const FRUITLESS_MAX = 5;
const BACKOFF = { firstMs: 100, maxMs: 5_000 };
/** 7.5 s in all before a segment is given up: what is wrong with the process (memory, say) may pass meanwhile. */
const FRUITLESS_BACKOFF = { firstMs: 500, maxMs: 5_000 };
/** Sessions beyond the compressing ones that may be at their file operations meanwhile. */
const SESSIONS_BESIDE_WORKERS = 1;

export class SealingPipeline {
  readonly #context: SealContext;
  readonly #lanesAtOnce: number;
  readonly #lanes = new Map<string, Lane>();
  readonly #queued: Lane[] = [];
  readonly #working = new Set<Promise<void>>();
  #idleWaiters: Array<() => void> = [];
  #jobs = 0;
  #isOpen = true;

  constructor(options: SealingOptions) {
    const { workers, compressor, clock, ...rest } = options;
    this.#context = { ...rest, clock, compressor: compressor ?? new CompressionPool({ threads: workers, clock }) };
    this.#lanesAtOnce = Math.max(1, workers) + SESSIONS_BESIDE_WORKERS;
  }

  /** Sealed segments whose steps are not all done. */
  get queueLength(): number {
    return this.#jobs;
  }

  /**
   * Takes up a sealed segment (its raw file under sealing/, synced) and returns at once. After close() nothing is taken
   * up: the next start finds the raw file.
   */
  accept(segment: SealedSegment): void {
    if (!this.#isOpen) {
      return;
    }
    this.#context.outbox?.hold(recordNameOfSegment(segment));
    const job: Job = { segment, step: { kind: 'store', fruitless: 0 }, failures: 0 };
    this.#jobs += 1;
    const { sessionId } = segment.summary;
    const lane = this.#lanes.get(sessionId);
    if (lane !== undefined) {
      lane.jobs.push(job);
      return;
    }
    const opened: Lane = { sessionId, jobs: [job], previousSha256: undefined, state: { kind: 'queued' } };
    this.#lanes.set(sessionId, opened);
    this.#enqueue(opened);
  }

  /** The newest segment of a session whose manifest is not on disk yet: it tells the last seq and the producers. */
  newestPending(sessionId: string): SealedSegment | null {
    const newest = this.#lanes.get(sessionId)?.jobs.at(-1);
    const isStored = newest?.step.kind === 'record' || newest?.step.kind === 'drop raw file';
    return newest === undefined || isStored ? null : newest.segment;
  }

  /** Resolves when nothing is left to do, or at close(). */
  whenIdle(): Promise<void> {
    if (this.#jobs === 0 || !this.#isOpen) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Takes up no more work and ends the threads; what is half-done is finished by the next start. */
  async close(): Promise<void> {
    this.#isOpen = false;
    for (const { state } of this.#lanes.values()) {
      if (state.kind === 'backing off') {
        state.cancel();
      }
    }
    await this.#context.compressor.close();
    await Promise.all(this.#working);
    this.#freeIdleWaiters();
  }

  #enqueue(lane: Lane): void {
    lane.state = { kind: 'queued' };
    this.#queued.push(lane);
    this.#startQueued();
  }

  #startQueued(): void {
    while (this.#isOpen && this.#working.size < this.#lanesAtOnce) {
      const lane = this.#queued.shift();
      if (lane === undefined) {
        return;
      }
      lane.state = { kind: 'working' };
      const work = this.#work(lane).finally(() => {
        this.#working.delete(work);
        this.#startQueued();
      });
      this.#working.add(work);
    }
  }

  /** Does what can be done for the lane's first segment now. Never rejects. */
  async #work(lane: Lane): Promise<void> {
    const job = lane.jobs[0];
    if (job === undefined) {
      return;
    }
    try {
      while (job.step.kind !== 'done') {
        job.step = await this.#run(lane, job);
        job.failures = 0;
      }
    } catch (error) {
      this.#failed(lane, job, error);
      return;
    }
    this.#finished(lane, job);
  }

  /** Runs one step; resolves to the next. */
  async #run(lane: Lane, { step, segment }: Job): Promise<Step> {
    const context = this.#context;
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
          { ...about(segment), quarantine, err: step.reason },
          isSealingError(step.reason, 'unusable')
            ? 'A sealed segment is not what was written; it is in quarantine and will not be announced.'
            : `A sealed segment could not be compressed in ${FRUITLESS_MAX} tries; it is in quarantine and will not be announced.`,
        );
        return { kind: 'done' };
      }
      case 'done':
        break;
    }
    return step;
  }

  #finished(lane: Lane, job: Job): void {
    this.#context.outbox?.release(recordNameOfSegment(job.segment));
    this.#context.logger.debug(about(job.segment), 'Segment finished.');
    lane.jobs.shift();
    this.#jobs -= 1;
    if (lane.jobs.length > 0) {
      this.#enqueue(lane);
      return;
    }
    this.#lanes.delete(lane.sessionId);
    if (this.#jobs === 0) {
      this.#freeIdleWaiters();
    }
  }

  #failed(lane: Lane, job: Job, error: unknown): void {
    if (!this.#isOpen) {
      return;
    }
    job.failures += 1;
    const delayMs = backoffMs(job.failures, isFruitless(error) ? FRUITLESS_BACKOFF : BACKOFF);
    this.#count(job, error);
    const { logger, clock } = this.#context;
    logger.warn(
      { ...about(job.segment), step: job.step.kind, failures: job.failures, retryInMs: delayMs, err: error },
      'A step of a sealed segment failed; it is tried again.',
    );
    if (job.step.kind === 'store') {
      job.step = afterFailedStore(job.step.fruitless, error);
    }
    lane.state = { kind: 'backing off', cancel: clock.after(delayMs, () => this.#enqueue(lane)) };
  }

  #count({ step }: Job, error: unknown): void {
    const { metrics } = this.#context;
    if (step.kind === 'store') {
      metrics.compressionFailures.inc();
    }
    const code = systemCode(error);
    if (code !== null) {
      metrics.diskErrors.inc({ code });
    }
  }

  #freeIdleWaiters(): void {
    for (const resolve of this.#idleWaiters.splice(0)) {
      resolve();
    }
  }
}

function afterFailedStore(fruitlessBefore: number, error: unknown): Step {
  const fruitless = fruitlessBefore + (isFruitless(error) ? 1 : 0);
  return fruitless >= FRUITLESS_MAX ? { kind: 'give up', reason: error } : { kind: 'store', fruitless };
}

/** Failures that another try may repeat for ever; those of the disk pass with their cause. */
function isFruitless(error: unknown): boolean {
  return isSealingError(error, 'unusable') || isSealingError(error, 'worker');
}

function about({ summary, reason }: SealedSegment): object {
  return { segment: manifestId(summary.sessionId, summary.firstSeq, summary.lastSeq), reason };
}
