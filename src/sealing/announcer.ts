/**
 * Takes events from the outbox, publishes them, removes their records.
 *
 * *Ordering.* One batch is in flight at a time; a record is removed only after the publisher resolved, and before the
 * next batch is taken. Events of a session are announced in the outbox's order, each at least once, under its one id.
 *
 * *Fail-soft.* Whatever fails is tried again with backoff, for ever; nothing is dropped, and nobody else waits for it.
 */

import { backoffMs } from '../segment/backoff.js';
import type { Clock } from '../segment/clock.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { Outbox } from './outbox.js';
import type { Announcement, RecordName } from './outbox-record.js';
import { messageOf } from './sealing-error.js';

/** Where events are announced. */
export interface Publisher {
  /** Starts connecting; keeps at it until close(). `onUsable` is called each time it becomes usable. */
  open(onUsable: () => void): void;
  readonly usable: boolean;
  /**
   * Resolves when all are announced, in their order, each with one effect however often it is passed.
   * @throws after a prefix of them, or all, may have been announced.
   */
  publish(announcements: readonly Announcement[]): Promise<void>;
  /** Ends it at once; what is in flight rejects. */
  close(): Promise<void>;
}

export interface AnnouncerOptions {
  readonly outbox: Outbox;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** From 0 to below 1, for pauses of different lengths; a simulation brings a seeded one. */
  readonly random?: () => number;
}

type AnnouncerState =
  | { readonly kind: 'stopped' }
  /** Nothing to do, or nobody to tell: woken by the outbox or the publisher. */
  | { readonly kind: 'resting' }
  | { readonly kind: 'announcing'; readonly done: Promise<void> }
  | { readonly kind: 'backing off'; readonly cancel: () => void };

const BATCH_RECORDS_MAX = 32;
/** Manifests of huge segments are large: a batch is also bounded in bytes (one record may pass it). */
const BATCH_BYTES_MAX = 1 << 20;
const BACKOFF = { firstMs: 100, maxMs: 5_000 };

export class Announcer {
  readonly #options: AnnouncerOptions;
  #state: AnnouncerState = { kind: 'stopped' };
  #failures = 0;
  /** The last failure that was logged: the same one again is not news. */
  #failing: string | null = null;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** After Outbox.open(), and after all recovered segments were accepted: their records must not be overtaken. */
  start(): void {
    this.#state = { kind: 'resting' };
    this.#options.outbox.onReady(() => this.#wake());
    this.#options.publisher.open(() => this.#wake());
    this.#wake();
  }

  /** True while events get through: connected, and the last try did not fail. */
  get redisUp(): boolean {
    return this.#options.publisher.usable && this.#failing === null;
  }

  /** Ends at once; what was not announced stays in the outbox. */
  async close(): Promise<void> {
    const state = this.#state;
    this.#state = { kind: 'stopped' };
    if (state.kind === 'backing off') {
      state.cancel();
    }
    await this.#options.publisher.close();
    if (state.kind === 'announcing') {
      await state.done;
    }
  }

  #wake(): void {
    const { outbox, publisher } = this.#options;
    if (this.#state.kind === 'resting' && publisher.usable && outbox.ready(1).length > 0) {
      this.#state = { kind: 'announcing', done: this.#announce() };
    }
  }

  /** Never rejects. */
  async #announce(): Promise<void> {
    try {
      while ((await this.#announceBatch()) && this.#isAnnouncing()) {
        this.#succeeded();
      }
      this.#rest();
    } catch (error) {
      this.#backOff(error);
    }
  }

  /** False when there was nothing to announce, or nobody to tell. */
  async #announceBatch(): Promise<boolean> {
    const { outbox, publisher, metrics } = this.#options;
    const batch = await this.#readBatch();
    if (batch.length === 0 || !publisher.usable) {
      return false;
    }
    try {
      await publisher.publish(batch.map(([, announcement]) => announcement));
    } catch (error) {
      metrics.announcements.inc({ result: 'failed' }, batch.length);
      throw error;
    }
    metrics.announcements.inc({ result: 'announced' }, batch.length);
    for (const [name] of batch) {
      await outbox.remove(name);
    }
    return true;
  }

  async #readBatch(): Promise<Array<[RecordName, Announcement]>> {
    const { outbox } = this.#options;
    const batch: Array<[RecordName, Announcement]> = [];
    let bytes = 0;
    for (const name of outbox.ready(BATCH_RECORDS_MAX)) {
      if (bytes >= BATCH_BYTES_MAX) {
        break;
      }
      const record = await outbox.read(name);
      if (record !== null) {
        batch.push([name, record.announcement]);
        bytes += record.bytes;
      }
    }
    return batch;
  }

  #isAnnouncing(): boolean {
    return this.#state.kind === 'announcing';
  }

  #succeeded(): void {
    if (this.#failing !== null) {
      this.#options.logger.info({}, 'Events are announced again.');
    }
    this.#failures = 0;
    this.#failing = null;
  }

  #rest(): void {
    if (this.#isAnnouncing()) {
      this.#state = { kind: 'resting' };
      // Something may have become ready between the last look and now.
      this.#wake();
    }
  }

  #backOff(error: unknown): void {
    if (!this.#isAnnouncing()) {
      return;
    }
    this.#failures += 1;
    if (this.#failing !== messageOf(error)) {
      this.#failing = messageOf(error);
      this.#options.logger.warn({ err: error }, 'Announcing failed; it is tried again until it works.');
    }
    const delayMs = backoffMs(this.#failures, BACKOFF) * (0.5 + (this.#options.random ?? Math.random)() / 2);
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#state = { kind: 'resting' };
      this.#wake();
    });
    this.#state = { kind: 'backing off', cancel };
  }
}
