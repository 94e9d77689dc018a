/**
 * What a command may touch of the process it runs in. main.ts hands over the real one; a test hands over streams of its
 * own, so that no command reaches for `process` by itself.
 */
export interface CommandIo {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** The environment as config.ts read it (in development with `.env`). For readConfig, readClientConfig and child processes. */
  readonly env: NodeJS.ProcessEnv;
  /**
   * Aborted at the first SIGINT or SIGTERM; `reason` is then an Interrupted. A command finishes what it owes and returns;
   * a second signal ends the process at once.
   */
  readonly signal: AbortSignal;
  /**
   * What to do at a second signal, synchronously, before the process ends with 130 or 143. The last call counts; without
   * one the signal itself ends the process.
   */
  onSecondSignal(lastWords: () => void): void;
  /** The code the process ends with once the command has returned and the event loop is empty; the last call counts. */
  setExitCode(code: number): void;
}

/** What only `serve` needs besides. */
export interface ServiceIo extends CommandIo {
  /** Who logs an error that nothing caught; the process ends with 1 right after. Without one main.ts prints it. */
  onCrash(report: (error: unknown) => void): void;
  /** Ends the process hard `delayMs` from now if it still runs then, after `lastWords`; does not keep it alive. */
  forceExitAfter(delayMs: number, lastWords: () => void): void;
}

/**
 * A stream to people or pipes. EPIPE is main.ts's business: when the reader of stdout goes (`| head`), the process ends
 * quietly with 0. A command that owes more than its output adds an 'error' listener to stdout; main.ts then leaves it alone.
 */
export type OutputStream = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
};

/** Why `CommandIo.signal` was aborted. */
export class Interrupted extends Error {
  readonly signalName: 'SIGINT' | 'SIGTERM';

  constructor(signalName: 'SIGINT' | 'SIGTERM') {
    super(`interrupted by ${signalName}`);
    this.name = 'Interrupted';
    this.signalName = signalName;
  }
}

/** A failure that one sentence explains: main.ts prints `logweir: <message>` on stderr, no stack, and ends with `exitCode`. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}
