import { equalBytes } from '../frame/bytes.js';
/** Producers remembered for each session; past that the one that was quiet longest is forgotten. */
export const PRODUCERS_MAX = 1024;

const NONE: ReadonlyMap<string, number> = new Map();
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * The highest producer_seq of each producer of a session: what makes a retry after a lost answer store nothing twice.
 */
export class ProducerMarks {
  readonly #marks: Map<string, number>;
  /** The id that was asked for last, as bytes and as text: streams come from one producer at a time. */
  #lastBytes: Uint8Array = new Uint8Array(0);
  #lastId = '';

  constructor(carried: Iterable<readonly [string, number]>) {
    this.#marks = new Map(carried);
  }

  /** The producer id that stands in bytes[start, end); never empty there. */
  idOf(bytes: Uint8Array, start: number, end: number): string {
    if (!equalBytes(this.#lastBytes, bytes, start, end)) {
      this.#lastBytes = Uint8Array.prototype.slice.call(bytes, start, end);
      this.#lastId = utf8.decode(this.#lastBytes);
    }
    return this.#lastId;
  }

  /** The id that `idOf` was asked for last; empty before. The array never changes. */
  get lastBytes(): Uint8Array {
    return this.#lastBytes;
  }

  /** Of the producer that `idOf` was asked for last. */
  get lastMark(): number {
    return this.#lastId === '' ? 0 : this.markOf(this.#lastId);
  }

  recordLast(producerSeq: number): void {
    this.record(this.#lastId, producerSeq);
  }

  isDuplicate(producerId: string, producerSeq: number): boolean {
    return producerSeq <= this.markOf(producerId);
  }

  /** 0 for a producer that none is remembered of. */
  markOf(producerId: string): number {
    return this.#marks.get(producerId) ?? 0;
  }

  record(producerId: string, producerSeq: number): void {
    // Set again so that iteration order is order of use.
    this.#marks.delete(producerId);
    this.#marks.set(producerId, producerSeq);
    if (this.#marks.size > PRODUCERS_MAX) {
      for (const quietest of this.#marks.keys()) {
        this.#marks.delete(quietest);
        break;
      }
    }
  }

  snapshot(): ReadonlyMap<string, number> {
    return this.#marks.size === 0 ? NONE : new Map(this.#marks);
  }
}
