/** Runs a command of the command line in this process, with streams of its own in place of the process's. */
import { PassThrough } from 'node:stream';
import { Command } from 'commander';
import { CommandError, type CommandIo, Interrupted, type OutputStream } from '../../src/commands/command-io.js';
import { inOurWords } from '../../src/commands/usage-error.js';

export interface Outcome {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

class CollectingStream extends PassThrough {
  readonly isTTY: boolean;
  columns: number;
  readonly chunks: Buffer[] = [];

  constructor(isTTY: boolean, columns: number) {
    super();
    this.isTTY = isTTY;
    this.columns = columns;
    this.on('data', (chunk: Buffer) => this.chunks.push(chunk));
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  get bytes(): number {
    return this.chunks.reduce((bytes, chunk) => bytes + chunk.length, 0);
  }
}

/** What a terminal shows, but its colours: whether there are any depends on the environment of the tests (`CI`, `TERM`). */
export function withoutColors(output: Buffer): string {
  // oxlint-disable-next-line no-control-regex -- what colours are
  return output.toString().replaceAll(/\u001b\[\d+m/g, '');
}

export class CommandRun {
  readonly stdin = new PassThrough();
  readonly stdout: CollectingStream;
  readonly stderr: CollectingStream;
  readonly #interruption = new AbortController();
  #code = 0;
  #lastWords = () => {};

  constructor(options: { isTerminal?: boolean; columns?: number } = {}) {
    this.stdout = new CollectingStream(options.isTerminal ?? false, options.columns ?? 80);
    this.stderr = new CollectingStream(options.isTerminal ?? false, options.columns ?? 80);
  }

  /** As main.ts does before the process ends. */
  interruptAgain(): void {
    this.#lastWords();
  }

  interrupt(signalName: 'SIGINT' | 'SIGTERM'): void {
    this.#interruption.abort(new Interrupted(signalName));
  }

  /** The outcome as main.ts would make it. */
  async run(
    register: (program: Command, io: CommandIo) => void,
    argv: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<Outcome> {
    const io: CommandIo = {
      stdin: this.stdin,
      stdout: this.stdout as OutputStream,
      stderr: this.stderr as OutputStream,
      env: { NODE_ENV: 'production', PATH: process.env['PATH'], ...env },
      signal: this.#interruption.signal,
      onSecondSignal: (lastWords) => {
        this.#lastWords = lastWords;
      },
      setExitCode: (code) => {
        this.#code = code;
      },
    };
    const program = new Command('logweir').exitOverride().configureOutput({
      writeErr: (text) => io.stderr.write(text),
      writeOut: (text) => io.stdout.write(text),
      outputError: (text, write) => write(inOurWords(text)),
    });
    register(program, io);
    try {
      await program.parseAsync([...argv], { from: 'user' });
    } catch (error) {
      this.#code = this.#explain(error, io);
    }
    return { code: this.#code, stdout: Buffer.concat(this.stdout.chunks), stderr: this.stderr.text };
  }

  #explain(error: unknown, io: CommandIo): number {
    if (error instanceof CommandError) {
      io.stderr.write(`logweir: ${error.message}\n`);
      return error.exitCode;
    }
    if (error instanceof Error && 'exitCode' in error) {
      return error.exitCode === 0 ? 0 : 2;
    }
    throw error;
  }
}

/** Shell that goes on when the file is there. */
export function waitFor(path: string): string {
  return `while [ ! -e '${path}' ]; do sleep 0.05; done`;
}
