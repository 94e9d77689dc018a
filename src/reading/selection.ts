import { LogLines } from './log-events.js';
import { type ParsedLine, parsedLines } from './parsed-lines.js';

/** The longest at once, during which nothing else runs, in time of the processor: a line of 1 MiB takes most patterns 15. */
const AT_ONCE_MS_MAX = 50;
/** The same on a machine that is busy with something else: by the clock. */
const AT_ONCE_ELAPSED_MS_MAX = 500;

/** A chunk on its way through a filter. */
export class Selection {
  takenMs = 0;
  /** How often it was cut off at the line where it is, having had its time. */
  cuts = 0;
  /** How long it may take at once. */
  elapsedMsMax = AT_ONCE_MS_MAX;
  readonly #lines: LogLines;
  readonly #parsed: readonly ParsedLine[];
  readonly #passes: (line: ParsedLine) => boolean;
  readonly #passed: ParsedLine[] = [];
  #next = 0;

  constructor(lines: LogLines, passes: (line: ParsedLine) => boolean) {
    this.#lines = lines;
    this.#parsed = parsedLines(lines);
    this.#passes = passes;
  }

  get bytes(): number {
    return this.#lines.bytes.length;
  }

  get isDone(): boolean {
    return this.#next === this.#parsed.length;
  }

  /** At least one line further. */
  advance(hasTime: () => boolean): void {
    do {
      const line = this.#parsed[this.#next];
      if (line === undefined) {
        return;
      }
      // It may have been cut off behind this, and come again.
      if (this.#passes(line) && this.#passed.at(-1) !== line) {
        this.#passed.push(line);
      }
      this.#next++;
      this.cuts = 0;
      this.elapsedMsMax = AT_ONCE_MS_MAX;
    } while (hasTime());
  }

  /** @param usedMs of the processor, by all threads of the process */
  wasCut(usedMs: number): void {
    if (usedMs < AT_ONCE_MS_MAX && this.elapsedMsMax < AT_ONCE_ELAPSED_MS_MAX) {
      const share = Math.max(usedMs, 1) / this.elapsedMsMax;
      this.elapsedMsMax = Math.min(Math.ceil(AT_ONCE_MS_MAX / share), AT_ONCE_ELAPSED_MS_MAX);
    } else {
      this.cuts++;
    }
  }

  /** Those that passed; the chunk itself when all did, with what has been made of it. */
  lines(): LogLines | null {
    const [first] = this.#passed;
    const last = this.#passed.at(-1);
    if (first === undefined || last === undefined) {
      return null;
    }
    if (this.#passed.length === this.#parsed.length) {
      return this.#lines;
    }
    const { bytes, sessionId } = this.#lines;
    const chosen = Buffer.concat(this.#passed.map(({ start, end }) => bytes.subarray(start, end)));
    return new LogLines(sessionId, first.frame.seq, last.frame.seq, chosen);
  }
}
