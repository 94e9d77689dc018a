import { LineBuffer, type LineBuffers } from '../frame/line-buffer.js';

const CAPACITY_MIN = 4096;
/** A buffer that grew past this is given to the garbage collector: one burst must not hold its memory for ever. */
const CAPACITY_KEPT_MAX = 1 << 20;

/**
 * Buffers between their uses, by capacity in powers of two; of one capacity last in, first out, so that the warm one is taken next.
 * Bounded in bytes; whoever holds a buffer owns it.
 *
 * *Growth stays inside*: a buffer that becomes too small takes a larger one from here and leaves its own. Left to the garbage
 * collector, the small ones were half of all memory at 1,000 sessions: 110 MB that nothing used, of a peak of 343.
 */
export class BufferPool implements LineBuffers {
  readonly #free: LineBuffer[][] = [];
  readonly #freeBytesMax: number;
  #freeBytes = 0;

  constructor(freeBytesMax: number) {
    this.#freeBytesMax = freeBytesMax;
  }

  /** Bytes of the buffers that nobody uses. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  take(capacity: number = CAPACITY_MIN): LineBuffer {
    const buffer = this.#free[classOf(capacity)]?.pop();
    if (buffer === undefined) {
      return new LineBuffer(capacity > CAPACITY_KEPT_MAX ? capacity : CAPACITY_MIN << classOf(capacity), this);
    }
    this.#freeBytes -= buffer.bytes.length;
    return buffer;
  }

  give(buffer: LineBuffer): void {
    const capacity = buffer.bytes.length;
    if (capacity > CAPACITY_KEPT_MAX || this.#freeBytes + capacity > this.#freeBytesMax) {
      return;
    }
    buffer.length = 0;
    this.#freeBytes += capacity;
    (this.#free[classOf(capacity)] ??= []).push(buffer);
  }
}

/** 0 for the smallest capacity, one more for each doubling. */
function classOf(capacity: number): number {
  return capacity <= CAPACITY_MIN ? 0 : 32 - Math.clz32((capacity - 1) >>> 12);
}
