/**
 * `logweir send`: standard input becomes frames, a line each. Sending ends at a bad line: frames before it are stored; of those after
 * it, only what was under way when the server refused it.
 */
import { addAbortSignal, type Readable } from 'node:stream';
import type { Command } from 'commander';
import { frameTimeOf, type OutgoingFrame } from '../client/frame.js';
import { FrameProducer } from '../client/frame-producer.js';
import type { LogConnection } from '../client/log-connection.js';
import type { ProducerReport } from '../client/producer-report.js';
import { CommandError, type CommandIo } from './command-io.js';
import { EXIT_ERROR, EXIT_OK, EXIT_USAGE } from './exit-codes.js';
import { JsonFrameError, parseJsonFrame } from './json-frame.js';
import { LineSplitter } from './line-splitter.js';
import { printable } from './printable.js';
import { addServerOptions, connect, exitCodeOf, parseSessionId, type ServerOptions } from './server-option.js';
import { ServerWatch } from './server-watch.js';
import { duplicatesClause, storedClause } from './stored-sentence.js';

/** Above any frame a server takes by default, and small enough to hold. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
/** No frame is shorter than this by much, and no editor leaves longer blank lines. */
const BLANK_BYTES_MAX = 1024;

interface SendOptions extends ServerOptions {
  readonly session?: string;
  readonly json?: true;
  readonly role?: string;
  readonly user?: string;
}

const HELP = `
Without --json, a line's text (without its newline) is a frame's content. With --json, a line is a frame as logweir
stores it: seq, time, session_id, user_id, role, content, metadata, version, producer_id, producer_seq, all optional;
blank lines are skipped.
Frames that the session already has (the same frame under the same seq, or a producer_seq that was reached) are counted as
duplicates and not stored again. A frame whose seq the session has used for another one is refused, and sending ends there.

A line over the server's limit (LOG_MAX_FRAME_BYTES, 1 MiB by default) is refused, and sending ends there.
While the server is away, lines wait for it: 64 MiB of them, and 30 s without progress, then they are given up. Ctrl-C
ends the input; what was read is stored, but a server that is away is not waited for. A second Ctrl-C ends at once.

Exit code: 0 when everything is stored, 1 when not (the message names the line), 2 on wrong usage,
130 or 143 when interrupted.

Examples:
  tail -f app.log | logweir send --session app
  logweir send --session notes --role note < notes.txt
  logweir cat build | logweir send --json --server other:50053`;

export function registerSend(program: Command, io: CommandIo): void {
  const command = program
    .command('send')
    .description('Store standard input, one frame a line')
    .option(
      '--session <id>',
      'the session of every frame; with --json it may stand in the frames instead',
      parseSessionId,
    )
    .option('--json', 'every line is a frame in JSON')
    .option('--role <role>', 'role of frames that name none')
    .option('--user <id>', 'user_id of frames that name none');
  addServerOptions(command)
    .addHelpText('after', HELP)
    .action(async (options: SendOptions) => {
      if (options.session === undefined && options.json !== true) {
        throw new CommandError('send needs --session ID (or --json, with a session_id in every frame)', EXIT_USAGE);
      }
      const connection = await connect(options, io);
      try {
        io.setExitCode(await send(options, connection, io));
      } finally {
        connection.close();
      }
    });
}

async function send(options: SendOptions, connection: LogConnection, io: CommandIo): Promise<number> {
  const producer = new FrameProducer(connection);
  const watch = new ServerWatch(producer, io, true);
  const conclude = (problem: string | null): ProducerReport => {
    watch.end();
    const report = producer.report();
    const refused = refusal(report);
    const stored = storedClause(
      refused === null ? report : { ...report, error: null },
      options.session ?? null,
      duplicatesClause(report),
    );
    const name = options.session === undefined ? 'send' : printable(options.session);
    const why = problem ?? refused;
    io.stderr.write(`${name}: ${why === null ? '' : `${why}; `}${stored}\n`);
    return report;
  };
  io.onSecondSignal(() => {
    producer.abandon();
    conclude(null);
  });
  // A signal ends the input, so it means from the beginning: do not wait for a server that is away.
  watch.stopWhenAway(true);
  const problem = await sendLines(producer, options, io);
  await producer.finish();
  const report = conclude(problem);
  if (problem !== null || report.refusedAt !== null) {
    return EXIT_ERROR;
  }
  if (io.signal.aborted) {
    return exitCodeOf(io.signal);
  }
  return report.unconfirmed > 0 ? EXIT_ERROR : EXIT_OK;
}

/** @returns what is wrong with a line, naming it, or null at the end of the input */
async function sendLines(producer: FrameProducer, options: SendOptions, io: CommandIo): Promise<string | null> {
  let number = 0;
  try {
    for await (const line of linesOf(io.stdin, io.signal)) {
      number++;
      if (options.json === true && isBlank(line)) {
        continue;
      }
      if (!(await producer.write(frameOf(line, options), number))) {
        return null;
      }
    }
  } catch (error) {
    if (error instanceof JsonFrameError) {
      const fault = printable(error.message);
      return fault.startsWith('is ') ? `line ${number} ${fault}` : `line ${number}: ${fault}`;
    }
    if (error instanceof LineTooLong) {
      return `line ${number + 1} is longer than ${LINE_BYTES_MAX} bytes`;
    }
    throw error;
  }
  return null;
}

function isBlank(line: Buffer): boolean {
  return line.length < BLANK_BYTES_MAX && line.toString().trim() === '';
}

function frameOf(line: Buffer, options: SendOptions): OutgoingFrame {
  const time = frameTimeOf(Date.now());
  if (options.json === true) {
    const defaults = { sessionId: options.session, role: options.role, userId: options.user, time };
    return parseJsonFrame(line.toString(), defaults);
  }
  return {
    sessionId: options.session ?? '',
    content: line.toString(),
    time,
    ...(options.role === undefined ? {} : { role: options.role }),
    ...(options.user === undefined ? {} : { userId: options.user }),
  };
}

/** A frame's place is its line's number, so the server's word on a frame is a word on a line. */
function refusal(report: ProducerReport): string | null {
  return report.refusedAt === null || report.error === null
    ? null
    : `line ${report.refusedAt}: ${printable(report.error.message)}`;
}

class LineTooLong extends Error {}

/** Lines without their newline, until the input or the patience of the user ends. */
async function* linesOf(input: NodeJS.ReadableStream, signal: AbortSignal): AsyncGenerator<Buffer, void> {
  const splitter = new LineSplitter(LINE_BYTES_MAX);
  for await (const chunk of chunksOf(input, signal)) {
    for (const piece of splitter.push(chunk)) {
      if (piece.at(-1) !== 0x0a) {
        throw new LineTooLong();
      }
      yield piece.subarray(0, -1);
    }
  }
  yield* splitter.flush();
}

async function* chunksOf(input: NodeJS.ReadableStream, signal: AbortSignal): AsyncGenerator<Buffer, void> {
  addAbortSignal(signal, input as Readable);
  try {
    for await (const chunk of input) {
      yield Buffer.from(chunk);
    }
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  }
}
