/** The command that `logweir run` runs: started without a shell, its output in pipes, its end as an exit code. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { CommandError, type CommandIo, Interrupted } from './command-io.js';
import { printable } from './printable.js';

/** What a shell says for a command that is not there, and for one that cannot be executed. */
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_EXECUTABLE = 126;

export class ChildCommand {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The child's exit code; 128 + n when signal n ended it. Its output may still be on its way. */
  readonly exitCode: Promise<number>;

  #endedBySignal = false;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;

  private constructor(child: ChildProcessByStdio<null, Readable, Readable>) {
    this.#child = child;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    this.exitCode = new Promise((resolve) => {
      child.once('exit', (code, signalName) => {
        this.#endedBySignal = code === null;
        resolve(code ?? 128 + constants.signals[signalName ?? 'SIGKILL']);
      });
    });
  }

  /**
   * Resolves when the command runs. From then on it gets the signals that this process gets.
   * @throws CommandError with the code a shell would give when it cannot be started
   */
  static async start(command: readonly string[], io: CommandIo): Promise<ChildCommand> {
    const [file = '', ...args] = command;
    const child = spawn(file, args, { stdio: ['inherit', 'pipe', 'pipe'], env: io.env });
    const started = new ChildCommand(child);
    try {
      await once(child, 'spawn');
    } catch (error) {
      throw cannotStart(file, error as NodeJS.ErrnoException);
    }
    forwardSignals(child, io, started.exitCode);
    return started;
  }

  /** Known once `exitCode` is. */
  get endedBySignal(): boolean {
    return this.#endedBySignal;
  }

  /** Ends the command if it still runs, without a word to it. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

function forwardSignals(
  child: ChildProcessByStdio<null, Readable, Readable>,
  io: CommandIo,
  exited: Promise<unknown>,
): void {
  const forward = () => {
    const reason: unknown = io.signal.reason;
    const signalName = reason instanceof Interrupted ? reason.signalName : 'SIGTERM';
    // Ctrl-C goes from the terminal to every process in the foreground, so the child has it already; a second one would
    // make many programs give up their clean end.
    if (signalName === 'SIGINT' && isAtTerminal(io)) {
      return;
    }
    child.kill(signalName);
  };
  if (io.signal.aborted) {
    forward();
    return;
  }
  io.signal.addEventListener('abort', forward, { once: true });
  void exited.then(() => io.signal.removeEventListener('abort', forward));
}

function isAtTerminal(io: CommandIo): boolean {
  // Not io.stdin: opening it would make it non-blocking, for the child as well.
  return isatty(0) || io.stdout.isTTY === true || io.stderr.isTTY === true;
}

function cannotStart(file: string, error: NodeJS.ErrnoException): CommandError {
  const name = printable(file);
  if (error.code === 'ENOENT') {
    return new CommandError(`cannot run ${name}: command not found`, EXIT_NOT_FOUND, { cause: error });
  }
  const reason = error.code === 'EACCES' ? 'permission denied' : (error.code ?? error.message);
  return new CommandError(`cannot run ${name}: ${reason}`, EXIT_NOT_EXECUTABLE, { cause: error });
}
