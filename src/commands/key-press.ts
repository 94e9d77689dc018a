import type { CommandIo } from './command-io.js';

/** What Ctrl-C is where the terminal does not make a signal of it. */
const CTRL_C = 0x03;

export interface KeyPress {
  /** False: input is no terminal, and stays as it is. */
  readonly isPossible: boolean;
  /** Aborted by the first key. */
  readonly signal: AbortSignal;
  /** Whether that key was Ctrl-C. */
  wasInterrupt(): boolean;
  /** Gives the terminal back as it was. */
  stop(): void;
}

/** The terminal of `process.stdin`, as far as it is one. */
type Terminal = CommandIo['stdin'] & { setRawMode?(isRaw: boolean): unknown };

/** Waits for a key: the terminal hands over each at once and echoes none, until `stop`. */
export function keyPress(io: CommandIo): KeyPress {
  const pressed = new AbortController();
  const terminal: Terminal = io.stdin;
  const isPossible = terminal.isTTY === true && typeof terminal.setRawMode === 'function';
  let isInterrupt = false;
  const take = (bytes: Buffer | string): void => {
    isInterrupt ||= !pressed.signal.aborted && Buffer.from(bytes).includes(CTRL_C);
    pressed.abort();
  };
  const stop = (): void => {
    if (isPossible) {
      terminal.off('data', take);
      terminal.setRawMode?.(false);
      terminal.pause();
    }
  };
  if (isPossible) {
    terminal.setRawMode?.(true);
    terminal.on('data', take);
    terminal.resume();
    io.onSecondSignal(stop);
  }
  return { isPossible, signal: pressed.signal, wasInterrupt: () => isInterrupt, stop };
}
