import { LineBuffer } from '../frame/line-buffer.js';

const CAPACITY_START = 4096;
/** A buffer that grew past this is given to the garbage collector: one burst must not hold its memory for ever. */
const CAPACITY_KEPT_MAX = 1 << 20;

/**
 * Buffers between their uses, last in, first out so that the warm one is taken next.
 * Bounded in bytes; whoever holds a buffer owns it.
 */
export class BufferPool {
  readonly #free: LineBuffer[] = [];
  readonly #freeBytesMax: number;
  #freeBytes = 0;

  constructor(freeBytesMax: number) {
    this.#freeBytesMax = freeBytesMax;
  }

  take(): LineBuffer {
    const buffer = this.#free.pop();
    if (buffer === undefined) {
      return new LineBuffer(CAPACITY_START);
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
    this.#free.push(buffer);
  }
}
