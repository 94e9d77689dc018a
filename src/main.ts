/**
 * argv → command; signals; how the process ends. The only user of process.exit, and of process.kill on itself: process.exit
 * waits for the threads of the file pool (measured: with one in a blocked open() it never returned, Node 20 and 24), so
 * where the disk may be stuck, only a signal ends the process.
 */
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { Interrupted, type ServiceIo } from './commands/command-io.js';
import {
  EXIT_CONFIGURATION,
  EXIT_ERROR,
  EXIT_OK,
  EXIT_SIGINT,
  EXIT_SIGTERM,
  EXIT_USAGE,
} from './commands/exit-codes.js';
import { createProgram } from './commands/program.js';
import { ConfigError, processEnvironment } from './config.js';
import { systemReason } from './system-reason.js';

/** For what a finished command left behind (a socket that lingers, a keepalive). */
const LINGER_MS = 1_000;
const SIGNAL_EXIT_CODES = { SIGINT: EXIT_SIGINT, SIGTERM: EXIT_SIGTERM } as const;

class ProcessIo implements ServiceIo {
  readonly stdout = process.stdout;
  readonly stderr = process.stderr;
  readonly env = processEnvironment();
  readonly #interruption = new AbortController();
  readonly signal = this.#interruption.signal;
  exitCode: number | null = null;
  reportCrash: (error: unknown) => void = printUnexpected;
  lastWords: (() => void) | null = null;
  stdinInUse = false;

  /** Made when it is asked for: an open stdin keeps the process alive. */
  get stdin(): NodeJS.ReadStream {
    this.stdinInUse = true;
    return process.stdin;
  }

  interrupt(signalName: 'SIGINT' | 'SIGTERM'): void {
    this.#interruption.abort(new Interrupted(signalName));
  }

  setExitCode(code: number): void {
    this.exitCode = code;
  }

  onSecondSignal(lastWords: () => void): void {
    this.lastWords = lastWords;
  }

  onCrash(report: (error: unknown) => void): void {
    this.reportCrash = report;
  }

  forceExitAfter(delayMs: number, lastWords: () => void): void {
    setTimeout(() => {
      lastWords();
      process.kill(process.pid, 'SIGKILL');
      // Reached only as pid 1, which can't kill itself, where exit() would wait for the disk; abort() ends it all the same.
      process.abort();
    }, delayMs).unref();
  }
}

async function main(): Promise<void> {
  const io = new ProcessIo();
  listenToSignals(io);
  listenToPipes(io);
  process.on('uncaughtException', (error) => {
    io.reportCrash(error);
    process.exit(EXIT_ERROR);
  });
  // An event loop that runs empty before the command is done must not look like success.
  process.exitCode = EXIT_ERROR;
  process.exitCode = await run(io);
  if (io.stdinInUse) {
    process.stdin.destroy();
  }
  setTimeout(() => process.exit(), LINGER_MS).unref();
}

async function run(io: ProcessIo): Promise<number> {
  try {
    await createProgram(io, version()).parseAsync(process.argv.slice(2), { from: 'user' });
    return io.exitCode ?? interruptedCode(io.signal) ?? EXIT_OK;
  } catch (error) {
    return explain(error, io);
  }
}

/** Prints what went wrong where nobody has, and says what to end with. */
function explain(error: unknown, io: ProcessIo): number {
  if (error instanceof CommanderError) {
    // It has printed its help or its complaint already.
    return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  }
  const wasAborted = error instanceof Error && (error === io.signal.reason || error.name === 'AbortError');
  if (wasAborted && io.signal.aborted) {
    return interruptedCode(io.signal) ?? EXIT_ERROR;
  }
  if (error instanceof ConfigError) {
    io.stderr.write(`logweir: ${error.message}\n`);
    return EXIT_CONFIGURATION;
  }
  // CommandError, and the service's StartError: importing that class would load the whole service for `--help`.
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number') {
    io.stderr.write(`logweir: ${error.message}\n`);
    return error.exitCode;
  }
  io.reportCrash(error);
  return EXIT_ERROR;
}

function interruptedCode(signal: AbortSignal): number | null {
  return signal.reason instanceof Interrupted ? SIGNAL_EXIT_CODES[signal.reason.signalName] : null;
}

/**
 * The first signal asks the command to finish; the second ends the process, even on a stuck disk. A command with last words
 * has no files open: it ends with the code. A third signal ends the process if they, too, take their time.
 */
function listenToSignals(io: ProcessIo): void {
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (!io.signal.aborted) {
        io.interrupt(name);
        return;
      }
      process.removeAllListeners('SIGINT').removeAllListeners('SIGTERM');
      if (io.lastWords === null) {
        process.kill(process.pid, name);
      }
      io.lastWords?.();
      // Reached only as pid 1, which a signal without a listener does not end.
      process.exit(SIGNAL_EXIT_CODES[name]);
    });
  }
}

function listenToPipes(io: ProcessIo): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (process.stdout.listenerCount('error') > 1) {
      return;
    }
    if (error.code === 'EPIPE') {
      process.exit(io.exitCode ?? EXIT_OK);
    }
    process.stderr.write(`logweir: cannot write the output: ${systemReason(error)}\n`);
    process.exit(EXIT_ERROR);
  });
  // There is nobody left to tell.
  process.stderr.on('error', () => undefined);
}

function printUnexpected(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`logweir: unexpected error: ${text}\n`);
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

await main();
