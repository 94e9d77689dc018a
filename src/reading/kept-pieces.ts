import type { LinesHolder, LogLines } from './log-events.js';

/** What is read of a file in one go. */
export interface Piece {
  readonly chunks: readonly LogLines[];
}

interface Kept<P extends Piece> extends LinesHolder {
  readonly piece: Promise<P>;
  /** Null while it is being read. */
  chunks: readonly LogLines[] | null;
  bytes: number;
}

/**
 * Pieces of files that somebody has read, for whoever comes next: viewers of a session follow each other through them.
 *
 * *Bounded*: `bytesMax`, with what doors made of the lines; least recently used ones go first. A piece that is being read is read
 * once, however many wait for it. One without lines is not kept.
 */
export class KeptPieces<P extends Piece> {
  readonly #bytesMax: number;
  /** In the order of use. */
  readonly #kept = new Map<string, Kept<P>>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** In chunks, with what doors made of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param key of what never changes @throws what `read` throws */
  get(key: string, read: () => Promise<P>): Promise<P> {
    const kept = this.#kept.get(key) ?? this.#read(key, read);
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.piece;
  }

  #read(key: string, read: () => Promise<P>): Kept<P> {
    const kept: Kept<P> = { piece: read(), chunks: null, bytes: 0, grew: (bytes) => this.#grow(kept, bytes) };
    kept.piece.then(
      ({ chunks }) => this.#keep(key, kept, chunks),
      () => this.#kept.delete(key),
    );
    return kept;
  }

  #keep(key: string, kept: Kept<P>, chunks: readonly LogLines[]): void {
    if (chunks.length === 0) {
      this.#kept.delete(key);
      return;
    }
    kept.chunks = chunks;
    let bytes = 0;
    for (const lines of chunks) {
      lines.holder = kept;
      bytes += lines.heldBytes;
    }
    this.#grow(kept, bytes);
  }

  #grow(kept: Kept<P>, bytes: number): void {
    kept.bytes += bytes;
    this.#bytes += bytes;
    for (const [key, { chunks, bytes: held }] of this.#kept) {
      if (this.#bytes <= this.#bytesMax) {
        break;
      }
      if (chunks !== null) {
        this.#kept.delete(key);
        this.#bytes -= held;
        // Whoever still looks at one of them must not hold all others.
        for (const lines of chunks) {
          lines.holder = null;
        }
      }
    }
  }
}
