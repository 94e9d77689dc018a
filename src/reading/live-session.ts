import { CHUNK_BYTES, linesBetween } from './line-chunks.js';
import { type Completion, type LinesHolder, LogLines } from './log-events.js';

const BYTES_MAX = 1 << 20;
/** What a chunk costs beside its bytes. */
const CHUNK_OVERHEAD_BYTES = 512;
/** Chunks below it are joined for whoever is behind, larger ones never: so a line is copied a few times at most. */
const SMALL_BYTES = 16 * 1024;

interface Chunk {
  readonly lines: LogLines;
  /** The last line before it. */
  readonly previousSeq: number;
}

/** A watched session's newest lines, and who waits for more: see live-hub.ts. */
export class LiveSession implements LinesHolder {
  /** What it was told last; null: nothing since somebody watches. */
  completion: Completion | null = null;
  /** Of the last line that was written since somebody watches; 0 before. */
  lastSeq = 0;
  readonly #resized: (session: LiveSession, bytes: number) => void;
  #bytes = 0;
  #chunks: Chunk[] = [];
  #waiting: (() => void)[] = [];
  /** Bytes of lines that came since a watcher last looked. */
  #unseenBytes = 0;

  /** @param resized hears by how much `bytes` grew, or with a minus shrank */
  constructor(resized: (session: LiveSession, bytes: number) => void) {
    this.#resized = resized;
  }

  /** In chunks, with what doors made of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * All that is held came after any watcher last looked: they stall, or read the file, and will go on there. Holding more would be
   * for nobody: a hundred viewers with full sockets cost ingest a third of its CPU time so.
   */
  get isUnseen(): boolean {
    return this.#unseenBytes > BYTES_MAX;
  }

  /** Lines up to `lastSeq` were written, and are not held. */
  passed(lastSeq: number): void {
    this.dropAll();
    this.lastSeq = lastSeq;
  }

  /** @param chunks consecutive lines, the first one next to those of the call before */
  add(chunks: readonly LogLines[]): void {
    for (const lines of chunks) {
      // Nothing can lie between the first chunk and a line whose number is one less.
      const previousSeq = this.lastSeq === 0 ? lines.firstSeq - 1 : this.lastSeq;
      this.#chunks.push({ lines, previousSeq });
      this.lastSeq = lines.lastSeq;
      this.#unseenBytes += lines.bytes.length;
      this.#hold(lines);
    }
  }

  /** A door made something of a chunk. */
  grew(bytes: number): void {
    this.#resize(bytes);
    while (this.#bytes > BYTES_MAX) {
      this.dropOldest();
    }
  }

  dropOldest(): void {
    const oldest = this.#chunks.shift();
    if (oldest !== undefined) {
      this.#letGo(oldest.lines);
    }
  }

  dropAll(): void {
    while (this.#chunks.length > 0) {
      this.dropOldest();
    }
  }

  /**
   * What comes behind a cursor.
   * @returns null when nothing does yet; 'behind' when it is not held any more: the file has it
   */
  take(seq: number): LogLines | 'behind' | null {
    this.#unseenBytes = 0;
    if (this.lastSeq <= seq) {
      return null;
    }
    const at = this.#firstAbove(seq);
    const chunk = this.#chunks[at];
    if (chunk === undefined || chunk.previousSeq > seq) {
      return 'behind';
    }
    return linesBetween(this.#joined(at).lines, seq, Number.MAX_SAFE_INTEGER);
  }

  /** Whether `take` would give lines: a look that does not count as one. */
  holds(seq: number): boolean {
    return seq < this.lastSeq && (this.#chunks[this.#firstAbove(seq)]?.previousSeq ?? Number.POSITIVE_INFINITY) <= seq;
  }

  wake(): void {
    for (const resume of this.#waiting.splice(0)) {
      resume();
    }
  }

  /** Calls `resume` at the next change. @returns what ends that */
  wait(resume: () => void): () => void {
    this.#unseenBytes = 0;
    this.#waiting.push(resume);
    return () => {
      this.#waiting = this.#waiting.filter((one) => one !== resume);
    };
  }

  #hold(lines: LogLines): void {
    lines.holder = this;
    this.grew(lines.heldBytes + CHUNK_OVERHEAD_BYTES);
  }

  #letGo(lines: LogLines): void {
    lines.holder = null;
    this.#resize(-lines.heldBytes - CHUNK_OVERHEAD_BYTES);
  }

  #resize(bytes: number): void {
    this.#bytes += bytes;
    this.#resized(this, bytes);
  }

  /** The first chunk with a line above `seq`. */
  #firstAbove(seq: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#chunks[middle]?.lines.lastSeq ?? 0) > seq) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  /** The chunk at `at` with the small ones behind it, for everybody who comes to it from now on. */
  #joined(at: number): Chunk {
    let end = at;
    let length = 0;
    for (; end < this.#chunks.length; end++) {
      const next = this.#chunks[end]?.lines.bytes.length ?? 0;
      if (next >= SMALL_BYTES || length + next > CHUNK_BYTES) {
        break;
      }
      length += next;
    }
    const parts = this.#chunks.slice(at, Math.max(end, at + 1));
    const joined = parts.length === 1 ? parts[0] : joinedChunk(parts, length);
    if (joined === undefined) {
      throw new Error('there is no chunk to take');
    }
    if (parts.length > 1) {
      this.#chunks.splice(at, parts.length, joined);
      for (const { lines } of parts) {
        this.#letGo(lines);
      }
      this.#hold(joined.lines);
    }
    return joined;
  }
}

function joinedChunk(parts: readonly Chunk[], length: number): Chunk | undefined {
  const [first] = parts;
  const last = parts.at(-1);
  if (first === undefined || last === undefined) {
    return undefined;
  }
  const bytes = Buffer.concat(
    parts.map(({ lines }) => lines.bytes),
    length,
  );
  const { sessionId, firstSeq } = first.lines;
  return {
    lines: new LogLines(sessionId, firstSeq, last.lines.lastSeq, bytes),
    previousSeq: first.previousSeq,
  };
}
