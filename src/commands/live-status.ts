/**
 * One line at the bottom of a terminal that says how things stand. It is redrawn at most ten times a second, never wider
 * than the terminal (a wrapped line could not be taken back), and gone without a trace at the end.
 */
import type { OutputStream } from './command-io.js';

const REDRAW_MS = 100;
const COLUMNS_DEFAULT = 80;
const ERASE_LINE = '\r\x1b[2K';

export class LiveStatus {
  readonly #terminal: OutputStream | null;
  readonly #render: () => string;
  readonly #timer: NodeJS.Timeout | undefined;
  #shown = '';
  /** Something else left the cursor in the middle of a line: drawing now would erase it. */
  #isLineTaken = false;

  /** Shows nothing where `stream` is no terminal. `render` gives one line of plain, printable text. */
  constructor(stream: OutputStream, render: () => string) {
    this.#terminal = stream.isTTY === true ? stream : null;
    this.#render = render;
    if (this.#terminal !== null) {
      this.#timer = setInterval(() => this.#draw(), REDRAW_MS).unref();
    }
  }

  /** Makes way for `bytes` that are about to be written to the same terminal. */
  yieldTo(bytes: Uint8Array): void {
    this.#erase();
    this.#isLineTaken = bytes.at(-1) !== 0x0a;
  }

  /** Removes the line for good. */
  end(): void {
    clearInterval(this.#timer);
    this.#erase();
    if (this.#isLineTaken) {
      this.#terminal?.write('\n');
    }
  }

  #draw(): void {
    if (this.#terminal === null || this.#isLineTaken) {
      return;
    }
    const line = truncate(this.#render(), (this.#terminal.columns ?? COLUMNS_DEFAULT) - 1);
    if (line !== this.#shown) {
      this.#terminal.write(`${ERASE_LINE}${line}`);
      this.#shown = line;
    }
  }

  #erase(): void {
    if (this.#shown !== '') {
      this.#terminal?.write(ERASE_LINE);
      this.#shown = '';
    }
  }
}

/** Cuts to `columns`, with an ellipsis. Counts two columns for whatever is not ASCII, so as never to be too wide. */
export function truncate(line: string, columns: number): string {
  let width = 0;
  let kept = '';
  for (const char of line) {
    const charWidth = char <= '~' || char === '·' || char === '…' ? 1 : 2;
    if (width + charWidth > columns) {
      return `${width < columns ? kept : withoutLast(kept)}…`;
    }
    width += charWidth;
    kept += char;
  }
  return line;
}

function withoutLast(text: string): string {
  return text.replace(/.$/su, '');
}
