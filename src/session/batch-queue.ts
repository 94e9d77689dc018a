import type { Batch, Cut, SegmentTally } from './pending-lines.js';

interface Queued {
  readonly batch: Batch;
  /** Bytes of the batch that were written, and that are durable. */
  written: number;
  synced: number;
  /** Bytes of the batch that were written once, `rewind` or not. */
  told: number;
  /** Cuts whose segments are sealed. */
  sealed: number;
  /** Frames that were not counted yet. */
  frames: number;
}

const JOINED_BYTES_MAX = 16 * 1024;

/** What has to be done next, in order. */
export type Step = WriteStep | { readonly kind: 'seal'; readonly cut: Cut };

export interface WriteStep {
  readonly kind: 'write';
  readonly batch: Batch;
  readonly from: number;
  readonly to: number;
}

/**
 * Batches from the moment they are taken until their bytes are durable.
 *
 * *Ordering*: steps come in the order in which lines and cuts were made. *Retention*: written bytes stay until `synced`: after a failed
 * sync the kernel may have dropped them, and memory is the only place left that is known to hold them. `rewind` makes
 * them due again.
 */
export class BatchQueue {
  readonly #release: (batch: Batch) => void;
  readonly #counted: (frames: number) => void;
  #queue: Queued[] = [];
  /** Batches before it are written and their cuts sealed. */
  #at = 0;
  #unsyncedBytes = 0;

  /**
   * @param release takes a batch back whose bytes are durable
   * @param counted hears of the frames of each batch once it is written
   */
  constructor(release: (batch: Batch) => void, counted: (frames: number) => void) {
    this.#release = release;
    this.#counted = counted;
  }

  /** Written and not durable. */
  get unsyncedBytes(): number {
    return this.#unsyncedBytes;
  }

  /** Everything that was taken is durable. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  add(batch: Batch): void {
    if (!this.#joined(batch)) {
      this.#queue.push({ batch, written: 0, synced: 0, told: 0, sealed: 0, frames: batch.frames });
    }
  }

  /** A few lines go behind the last batch when there is room: else many small ones would hold a buffer each. */
  #joined(batch: Batch): boolean {
    const last = this.#queue.at(-1);
    const { length, bytes } = batch.buffer;
    if (last === undefined || length > JOINED_BYTES_MAX || batch.cuts.length > 0) {
      return false;
    }
    const into = last.batch.buffer;
    if (into.length + length > into.bytes.length) {
      return false;
    }
    bytes.copy(into.bytes, into.length, 0, length);
    into.length += length;
    last.frames += batch.frames;
    this.#at = Math.min(this.#at, this.#queue.length - 1);
    this.#release(batch);
    return true;
  }

  next(): Step | null {
    for (let current = this.#queue[this.#at]; current !== undefined; current = this.#queue[this.#at]) {
      const { batch, written, sealed } = current;
      const cut = batch.cuts[sealed];
      const to = cut?.offset ?? batch.buffer.length;
      if (written < to) {
        return { kind: 'write', batch, from: written, to };
      }
      if (cut !== undefined) {
        return { kind: 'seal', cut };
      }
      this.#count(current);
      this.#at++;
    }
    return null;
  }

  /** The step `next` gave is done. @returns from where on its bytes were not written before: `rewind` makes some due again */
  wrote(step: WriteStep): number {
    const current = this.#current();
    const from = Math.max(step.from, current.told);
    current.written = step.to;
    current.told = Math.max(current.told, step.to);
    this.#unsyncedBytes += step.to - step.from;
    return from;
  }

  /** The step `next` gave is done. */
  sealed(): void {
    this.#current().sealed++;
    this.synced();
  }

  /** Everything written is durable. */
  synced(): void {
    let finished = 0;
    for (const queued of this.#queue) {
      queued.synced = queued.written;
      if (queued.written < queued.batch.buffer.length || queued.sealed < queued.batch.cuts.length) {
        break;
      }
      this.#count(queued);
      this.#release(queued.batch);
      finished++;
    }
    if (finished > 0) {
      this.#queue = this.#queue.slice(finished);
      this.#at = Math.max(0, this.#at - finished);
    }
    this.#unsyncedBytes = 0;
  }

  /** What is not durable is due again. Returns how many bytes are. */
  rewind(): number {
    let bytes = 0;
    for (const queued of this.#queue) {
      bytes += queued.written - queued.synced;
      queued.written = queued.synced;
    }
    this.#at = 0;
    this.#unsyncedBytes = 0;
    return bytes;
  }

  /** The first segment in the queue that is not sealed, or null when the queue ends before one does. */
  nextTally(): SegmentTally | null {
    for (const { batch, sealed } of this.#queue) {
      const cut = batch.cuts[sealed];
      if (cut !== undefined) {
        return cut.tally;
      }
    }
    return null;
  }

  /** The first bytes that are not durable: buffer and offset. */
  firstUnsynced(): { readonly buffer: Buffer; readonly offset: number } | null {
    for (const { batch, synced } of this.#queue) {
      if (synced < batch.buffer.length) {
        return { buffer: batch.buffer.bytes, offset: synced };
      }
    }
    return null;
  }

  #current(): Queued {
    const current = this.#queue[this.#at];
    if (current === undefined) {
      throw new Error('no step was given');
    }
    return current;
  }

  #count(queued: Queued): void {
    this.#counted(queued.frames);
    queued.frames = 0;
  }
}
