import type { OutgoingFrame } from './frame.js';
import { FrameEncoder } from './frame-encoder.js';

/** What a frame costs in memory besides its bytes, about. */
const FRAME_OVERHEAD_BYTES = 32;

export interface BatchLimits {
  /** A frame larger than this is a batch by itself. */
  readonly batchBytesMax: number;
  readonly batchFramesMax: number;
}

/** An empty id for none. */
export interface ProducerMark {
  readonly producerId: string;
  readonly producerSeq: number;
}

/** Frames that are sent and acknowledged together. */
export interface Batch {
  readonly id: number;
  /** The WriteLogBatch on the wire. */
  readonly message: Buffer;
  /** What the report names each frame by, and how many lines begin in each. */
  readonly places: readonly number[];
  readonly lines: readonly number[];
  /** What it costs in memory. */
  readonly bytes: number;
  readonly isLarge: boolean;
  /** Indices of frames that the server has refused, in the order it named them. */
  readonly rejected: number[];
}

/**
 * Frames from `add` to their acknowledgement: batches that are closed, oldest first, and one that gathers.
 *
 * *Ordering*: batches are sent in the order of their ids, which rise; after `rewind` from the oldest one on, under the same ids.
 * *Large frames*: behind a batch of one large frame nothing is sent until it is acknowledged, since a frame over the server's limit
 * is refused, and nothing that comes behind it is to be stored then.
 */
export class PendingBatches {
  /** Of all frames that are not acknowledged. */
  bytes = 0;
  readonly #limits: BatchLimits;
  readonly #encoder = new FrameEncoder(1);
  readonly #closed: Batch[] = [];
  /** How many of `#closed` went into the open stream. */
  #sent = 0;
  /** Of the batch that gathers. */
  #id = 1;
  #gatheredBytes = 0;
  #places: number[] = [];
  #lines: number[] = [];

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#closed.length === 0 && this.#places.length === 0;
  }

  /** Frames in the batch that is not closed yet. */
  get gathering(): number {
    return this.#places.length;
  }

  /** A batch is closed and not sent. */
  get hasUnsent(): boolean {
    return this.#closed.length > this.#sent;
  }

  get inFlight(): number {
    return this.#sent;
  }

  /**
   * @param mark the producer's, for the frame
   * @throws when a value has no place in its field; then nothing was added
   */
  add(frame: OutgoingFrame, mark: ProducerMark, place: number, lines: number): void {
    const { batchBytesMax, batchFramesMax } = this.#limits;
    const before = this.#encoder.length;
    this.#encoder.add(frame, mark.producerId, mark.producerSeq);
    const bytes = this.#encoder.length - before + FRAME_OVERHEAD_BYTES;
    if (this.#encoder.length > batchBytesMax && this.#places.length > 0) {
      this.#closeAt(before);
    }
    this.bytes += bytes;
    this.#gatheredBytes += bytes;
    this.#places.push(place);
    this.#lines.push(lines);
    if (this.#encoder.length >= batchBytesMax || this.#places.length >= batchFramesMax) {
      this.close();
    }
  }

  /** What gathered becomes a batch. */
  close(): void {
    if (this.#places.length > 0) {
      this.#closeAt(this.#encoder.length);
    }
  }

  /** The next batch to send, which counts as sent from now on; null when there is none, or it has to wait. */
  next(): Batch | null {
    const next = this.#closed[this.#sent];
    if (next === undefined || this.#closed[this.#sent - 1]?.isLarge === true) {
      return null;
    }
    this.#sent++;
    return next;
  }

  /** Lets go of everything behind a batch, unsent. */
  dropAfter(batchId: number): void {
    this.close();
    const kept = this.#closed.filter(({ id }) => id <= batchId).length;
    this.#letGo(this.#closed.splice(kept));
  }

  /** The stream is gone: everything unacknowledged has to be sent again. */
  rewind(): void {
    this.#sent = 0;
  }

  /** Marks a frame of a sent batch; false when it is marked already, or not known. */
  reject(batchId: number, index: number): boolean {
    const batch = this.#closed.find(({ id }) => id === batchId);
    if (batch === undefined || index >= batch.places.length || batch.rejected.includes(index)) {
      return false;
    }
    batch.rejected.push(index);
    return true;
  }

  /** Lets go of the sent batches up to `batchId`, and returns them. */
  acknowledge(batchId: number): Batch[] {
    let count = 0;
    while (count < this.#sent && (this.#closed[count]?.id ?? Number.POSITIVE_INFINITY) <= batchId) {
      count++;
    }
    this.#sent -= count;
    return this.#letGo(this.#closed.splice(0, count));
  }

  /** The oldest batch that is sent and not acknowledged. */
  get oldest(): Batch | null {
    return this.#sent === 0 ? null : (this.#closed[0] ?? null);
  }

  #letGo(batches: Batch[]): Batch[] {
    for (const { bytes } of batches) {
      this.bytes -= bytes;
    }
    return batches;
  }

  #closeAt(length: number): void {
    const message = this.#encoder.take(length, this.#id + 1);
    const isLarge = message.length > this.#limits.batchBytesMax;
    const [places, lines, bytes] = [this.#places, this.#lines, this.#gatheredBytes];
    this.#closed.push({ id: this.#id, message, places, lines, bytes, isLarge, rejected: [] });
    this.#id++;
    this.#places = [];
    this.#lines = [];
    this.#gatheredBytes = 0;
  }
}
