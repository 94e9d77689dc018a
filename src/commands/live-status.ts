/**
 * One line at the bottom of a terminal that says how things stand. It is redrawn at most ten times a second and when the
 * terminal changes its width, never wider than that (a wrapped line could not be taken back), and gone without a trace at
 * the end.
 */
import type { OutputStream } from './command-io.js';

const REDRAW_MS = 100;
const COLUMNS_DEFAULT = 80;
/** The terminal echoes `^C` behind the line, which must not wrap it. */
const ECHO_COLUMNS = 3;
const ERASE_LINE = '\r\x1b[2K';
const SEPARATOR = ' · ';
/** A shorter piece of a name tells nobody which it is. */
const NAME_COLUMNS_MIN = 6;

export interface StatusLine {
  /** Of whom it speaks: shortened where there is no room. */
  readonly name: string;
  /** What it says, the most important last. */
  readonly parts: readonly string[];
}

export class LiveStatus {
  readonly #terminal: OutputStream | null;
  readonly #render: () => StatusLine;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onResize = () => this.#redraw();
  #shown = '';
  /** Something else left the cursor in the middle of a line: drawing now would erase it. */
  #isLineTaken = false;

  /** Shows nothing where `stream` is no terminal. `render` gives plain, printable text. */
  constructor(stream: OutputStream, render: () => StatusLine) {
    this.#terminal = stream.isTTY === true ? stream : null;
    this.#render = render;
    if (this.#terminal !== null) {
      this.#timer = setInterval(() => this.#draw(), REDRAW_MS).unref();
      this.#terminal.on('resize', this.#onResize);
    }
  }

  get isShown(): boolean {
    return this.#terminal !== null;
  }

  /** Makes way for `bytes` that are about to be written to the same terminal. */
  yieldTo(bytes: Uint8Array): void {
    this.#erase();
    this.#isLineTaken = bytes.at(-1) !== 0x0a;
  }

  /** Removes the line for good. */
  end(): void {
    clearInterval(this.#timer);
    this.#terminal?.removeListener('resize', this.#onResize);
    this.#erase();
    if (this.#isLineTaken) {
      this.#terminal?.write('\n');
      this.#isLineTaken = false;
    }
  }

  get #columns(): number {
    return this.#terminal?.columns ?? COLUMNS_DEFAULT;
  }

  #draw(): void {
    if (this.#terminal === null || this.#isLineTaken) {
      return;
    }
    const line = fitted(this.#render(), this.#columns - ECHO_COLUMNS);
    if (line !== this.#shown) {
      this.#terminal.write(`${ERASE_LINE}${line}`);
      this.#shown = line;
    }
  }

  /** A terminal that became narrower has wrapped what stood there. */
  #redraw(): void {
    const rowsAbove = Math.ceil(widthOf(this.#shown) / this.#columns) - 1;
    if (rowsAbove > 0) {
      this.#terminal?.write(`\r\x1b[${rowsAbove}A\x1b[J`);
    }
    this.#shown = '';
    this.#draw();
  }

  #erase(): void {
    if (this.#shown !== '') {
      this.#terminal?.write(ERASE_LINE);
      this.#shown = '';
    }
  }
}

/** The line in so many columns: the name gives way first, then the foremost parts, and the end only when nothing else is left. */
export function fitted({ name, parts }: StatusLine, columns: number): string {
  const said = parts.join(SEPARATOR);
  const forName = columns - widthOf(said) - SEPARATOR.length;
  if (forName >= Math.min(NAME_COLUMNS_MIN, widthOf(name))) {
    return `${truncate(name, forName)}${SEPARATOR}${said}`;
  }
  for (let first = 0; first < parts.length; first++) {
    const rest = parts.slice(first).join(SEPARATOR);
    if (widthOf(rest) <= columns) {
      return rest;
    }
  }
  return truncate(parts.at(-1) ?? '', columns);
}

/** Cuts to `columns`, with an ellipsis. Counts two columns for whatever is not ASCII, so as never to be too wide. */
export function truncate(line: string, columns: number): string {
  let width = 0;
  let kept = '';
  for (const char of line) {
    const charWidth = columnsOf(char);
    if (width + charWidth > columns) {
      return `${width < columns ? kept : withoutLast(kept)}…`;
    }
    width += charWidth;
    kept += char;
  }
  return line;
}

function widthOf(text: string): number {
  let width = 0;
  for (const char of text) {
    width += columnsOf(char);
  }
  return width;
}

function columnsOf(char: string): number {
  return char <= '~' || char === '·' || char === '…' ? 1 : 2;
}

function withoutLast(text: string): string {
  return text.replace(/.$/su, '');
}
