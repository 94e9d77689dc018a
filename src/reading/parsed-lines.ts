import type { LogLines } from './log-events.js';
import { nextLine } from './stored-line.js';

/** What filters and viewers look at. Fields that the line does not have are absent. */
export interface StoredFrame {
  readonly seq: number;
  readonly time: string;
  readonly session_id: string;
  readonly user_id?: string;
  readonly role?: string;
  readonly content?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A line within its chunk, parsed when somebody asks, and once. */
export class ParsedLine {
  readonly start: number;
  /** Behind its newline. */
  readonly end: number;
  readonly #bytes: Buffer;
  #frame: StoredFrame | null = null;
  #folded: string | null = null;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.start = start;
    this.end = end;
  }

  get frame(): StoredFrame {
    this.#frame ??= JSON.parse(this.#bytes.toString('utf8', this.start, this.end)) as StoredFrame;
    return this.#frame;
  }

  get content(): string {
    return this.frame.content ?? '';
  }

  /** The content as it is compared where case does not matter. */
  get foldedContent(): string {
    this.#folded ??= this.content.toLowerCase();
    return this.#folded;
  }
}

/**
 * The lines of a chunk. However many viewers look at a chunk at one time, it is parsed once; it is not kept parsed, which takes several
 * times its bytes, for as long as somebody may still ask for it.
 */
export function parsedLines(lines: LogLines): readonly ParsedLine[] {
  const shared = lines.as(newlyShared);
  const known = shared.parsed?.deref();
  if (known !== undefined) {
    return known;
  }
  const parsed = splitLines(lines.bytes);
  shared.parsed = new WeakRef(parsed);
  return parsed;
}

interface Shared {
  parsed: WeakRef<readonly ParsedLine[]> | null;
}

function newlyShared(): Shared {
  return { parsed: null };
}

/** @param bytes whole lines */
export function splitLines(bytes: Buffer): readonly ParsedLine[] {
  const lines: ParsedLine[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = nextLine(bytes, start);
    lines.push(new ParsedLine(bytes, start, end));
    start = end;
  }
  return lines;
}
