import { LineBuffer, type LineBuffers } from '../frame/line-buffer.js';

const CAPACITY_MIN = 4096;
/**
 * The longest line that the run encoder makes fits. Past it a buffer is left to the garbage collector. With 1 MiB each line of one
 * was written from memory that was made for it: 216 in place of 310 lines per CPU second.
 */
const CAPACITY_KEPT_MAX = 8 << 20;
/** What was in use at once is kept for the next burst for so long at least, and twice as long at most. */
const WINDOW_MS = 2000;

/**
 * Buffers between their uses, by capacity in powers of two; of one capacity last in, first out, so that the warm one is taken next.
 * Whoever holds a buffer owns it.
 *
 * *Bound*: free buffers and those in use together are no more than were in use at once within the last seconds, and `restBytes`. With
 * a fixed bound of 32 MiB, 10 sessions at full speed dropped 380 MB a second between syncs, and V8 collected its whole heap every
 * 50 ms: a quarter of all CPU time. A steady load makes none now, unless all its sessions grow and shrink in step: what one capacity has
 * is given up for another.
 *
 * *Growth stays inside*: a buffer that becomes too small takes a larger one from here and leaves its own. Left to the garbage
 * collector, the small ones were half of all memory at 1,000 sessions: 110 MB that nothing used, of a peak of 343.
 */
export class BufferPool implements LineBuffers {
  readonly #free: LineBuffer[][] = [];
  readonly #restBytes: number;
  #freeBytes = 0;
  #usedBytes = 0;
  /** The most that was in use at once in this window, and in the one before. */
  #peakBytes = 0;
  #peakBytesBefore = 0;
  #windowStartedMs = 0;

  /** @param restBytes so much is kept beside what was in use */
  constructor(restBytes: number) {
    this.#restBytes = restBytes;
  }

  /** Bytes of the buffers that nobody uses. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  take(capacity: number = CAPACITY_MIN): LineBuffer {
    const free = this.#free[classOf(capacity)]?.pop();
    const buffer =
      free ?? new LineBuffer(capacity > CAPACITY_KEPT_MAX ? capacity : CAPACITY_MIN << classOf(capacity), this);
    const { length } = buffer.bytes;
    this.#usedBytes += length;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
    if (free === undefined) {
      this.#trim();
    } else {
      this.#freeBytes -= length;
    }
    return buffer;
  }

  give(buffer: LineBuffer): void {
    const capacity = buffer.bytes.length;
    this.#usedBytes -= capacity;
    if (capacity > CAPACITY_KEPT_MAX) {
      return;
    }
    buffer.length = 0;
    this.#freeBytes += capacity;
    (this.#free[classOf(capacity)] ??= []).push(buffer);
  }

  /** To be called now and then, with a monotonic clock's milliseconds: gives up what has not been needed for some seconds. */
  sweep(nowMs: number): void {
    if (nowMs - this.#windowStartedMs >= WINDOW_MS) {
      this.#windowStartedMs = nowMs;
      this.#peakBytesBefore = this.#peakBytes;
      this.#peakBytes = this.#usedBytes;
      this.#trim();
    }
  }

  /** Large buffers go first: they are the fewest, and small ones are what the next session asks for. */
  #trim(): void {
    const boundBytes = this.#restBytes + Math.max(this.#peakBytes, this.#peakBytesBefore);
    for (let size = this.#free.length - 1; size >= 0 && this.#freeBytes + this.#usedBytes > boundBytes; ) {
      const dropped = this.#free[size]?.pop();
      if (dropped === undefined) {
        size--;
      } else {
        this.#freeBytes -= dropped.bytes.length;
      }
    }
  }
}

/** 0 for the smallest capacity, one more for each doubling. */
function classOf(capacity: number): number {
  return capacity <= CAPACITY_MIN ? 0 : 32 - Math.clz32((capacity - 1) >>> 12);
}
