/**
 * What happens to sealed segments and completions, in order, each step restartable.
 *
 * *Ordering.* The segments of one session are finished one after the other, in the order of accept(): a segment's
 * manifest is durable before the next one is looked at, and names the one before it (`prev_sha256`). Sessions do not
 * wait for one another; about as many work at a time as there are compression threads. A completion is a job of its session
 * behind the segments that it completes.
 *
 * *Fail-soft.* A failed step is tried again with backoff, for ever, without a word to the caller; it holds up its own
 * session only. Bytes that are not those that were sealed are given up after a few tries: they go to quarantine/, and
 * the session goes on.
 *
 * *Restart.* Nothing is remembered but what the disk says: accept() with the raw file of an earlier run goes on where
 * that run stopped (seal-steps.ts, completion-job.ts).
 */

import { backoffMs } from '../segment/backoff.js';
import type { Clock } from '../segment/clock.js';
import type { CompletionRecord } from '../segment/completion-record.js';
import type { Files } from '../segment/files.js';
import type { Layout } from '../segment/layout.js';
import type { SealedSegment } from '../segment/sealed-segment.js';
import type { SessionHistories } from '../segment/session-history.js';
import { systemCode } from '../segment/system-code.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { CompletionJob } from './completion-job.js';
import { CompressionPool } from './compression-pool.js';
import type { Compressor } from './compressor.js';
import type { LaneMemory } from './lane-job.js';
import type { Outbox } from './outbox.js';
import type { SealContext } from './seal-steps.js';
import { SegmentJob } from './segment-job.js';

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

type Job = SegmentJob | CompletionJob;

/** The jobs of one session; it exists while there are any. */
interface Lane extends LaneMemory {
  readonly sessionId: string;
  readonly jobs: Job[];
  /** In a row, of the step that is due. */
  failures: number;
  state:
    | { readonly kind: 'queued' }
    | { readonly kind: 'working' }
    | { readonly kind: 'backing off'; readonly cancel: () => void };
}

/** Sessions beyond the compressing ones that may be at their file operations meanwhile. */
const SESSIONS_BESIDE_WORKERS = 1;

export class SealingPipeline {
  readonly #context: SealContext;
  readonly #lanesAtOnce: number;
  readonly #lanes = new Map<string, Lane>();
  readonly #queued: Lane[] = [];
  readonly #working = new Set<Promise<void>>();
  #idleWaiters: Array<() => void> = [];
  readonly #jobs = { segment: 0, completion: 0 };
  #isOpen = true;

  constructor(options: SealingOptions) {
    const { workers, compressor, clock, ...rest } = options;
    this.#context = { ...rest, clock, compressor: compressor ?? new CompressionPool({ threads: workers, clock }) };
    this.#lanesAtOnce = Math.max(1, workers) + SESSIONS_BESIDE_WORKERS;
  }

  /** Sealed segments whose steps are not all done. */
  get queueLength(): number {
    return this.#jobs.segment;
  }

  /** Completions whose steps are not all done. */
  get pendingCompletions(): number {
    return this.#jobs.completion;
  }

  /**
   * Takes up a sealed segment (its raw file under sealing/, synced) and returns at once. After close() nothing is taken
   * up: the next start finds the raw file.
   */
  accept(segment: SealedSegment): void {
    if (!this.#isOpen) {
      return;
    }
    this.#add(segment.summary.sessionId, new SegmentJob(this.#context, segment));
  }

  /**
   * The same for a completion: its record lies under sealing/, durably, and all segments up to its last seq were accepted, or were
   * finished before.
   */
  acceptCompletion(record: CompletionRecord): void {
    if (this.#isOpen) {
      this.#add(record.session_id, new CompletionJob(this.#context, record));
    }
  }

  /** The newest segment of a session whose manifest is not on disk yet: it tells the last seq and the producers. */
  newestPending(sessionId: string): SealedSegment | null {
    const newest = this.#lanes.get(sessionId)?.jobs.findLast((job) => job.kind === 'segment');
    return newest === undefined || newest.isStored ? null : newest.segment;
  }

  /** The last completion of a session that may not be stored under sessions/ yet. */
  newestCompletion(sessionId: string): CompletionRecord | null {
    return this.#lanes.get(sessionId)?.jobs.findLast((job) => job.kind === 'completion')?.record ?? null;
  }

  /** Resolves when nothing is left to do, or at close(). */
  whenIdle(): Promise<void> {
    if (this.#isIdle || !this.#isOpen) {
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

  get #isIdle(): boolean {
    return this.#jobs.segment + this.#jobs.completion === 0;
  }

  #add(sessionId: string, job: Job): void {
    this.#context.outbox?.hold(job.recordName);
    this.#jobs[job.kind] += 1;
    const lane = this.#lanes.get(sessionId);
    if (lane !== undefined) {
      lane.jobs.push(job);
      return;
    }
    const opened: Lane = { sessionId, jobs: [job], failures: 0, previousSha256: undefined, state: { kind: 'queued' } };
    this.#lanes.set(sessionId, opened);
    this.#enqueue(opened);
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
      while (!(await job.advance(lane))) {
        lane.failures = 0;
      }
    } catch (error) {
      this.#failed(lane, job, error);
      return;
    }
    this.#finished(lane, job);
  }

  #finished(lane: Lane, job: Job): void {
    this.#context.outbox?.release(job.recordName);
    this.#context.logger.debug(job.about, job.kind === 'segment' ? 'Segment finished.' : 'Completion recorded.');
    lane.jobs.shift();
    lane.failures = 0;
    this.#jobs[job.kind] -= 1;
    if (lane.jobs.length > 0) {
      this.#enqueue(lane);
      return;
    }
    this.#lanes.delete(lane.sessionId);
    if (this.#isIdle) {
      this.#freeIdleWaiters();
    }
  }

  #failed(lane: Lane, job: Job, error: unknown): void {
    if (!this.#isOpen) {
      return;
    }
    lane.failures += 1;
    const { logger, clock, metrics } = this.#context;
    const { about, step } = job;
    const delayMs = backoffMs(lane.failures, job.failed(error));
    const code = systemCode(error);
    if (code !== null) {
      metrics.diskErrors.inc({ code });
    }
    logger.warn(
      { ...about, step, failures: lane.failures, retryInMs: delayMs, err: error },
      `A step of a ${job.kind === 'segment' ? 'sealed segment' : 'completion'} failed; it is tried again.`,
    );
    lane.state = { kind: 'backing off', cancel: clock.after(delayMs, () => this.#enqueue(lane)) };
  }

  #freeIdleWaiters(): void {
    for (const resolve of this.#idleWaiters.splice(0)) {
      resolve();
    }
  }
}
