/**
 * `logweir run`: a command whose output becomes a session.
 *
 * A frame's content is one line with its terminator, so all contents together are what the command printed, byte for
 * byte (invalid UTF-8 excepted: a protobuf string cannot hold it, it becomes U+FFFD). The command is not started when
 * the server cannot be reached; once started, it runs to its end whatever happens to the server.
 */
import { isatty } from 'node:tty';
import type { Command } from 'commander';
import { frameTimeOf } from '../client/frame.js';
import { FrameProducer } from '../client/frame-producer.js';
import type { LogConnection } from '../client/log-connection.js';
import { DEFAULT_LIMITS, type ProducerLimits, type ProducerReport } from '../client/producer-report.js';
import { systemReason } from '../system-reason.js';
import { ChildCommand } from './child-command.js';
import type { CommandIo } from './command-io.js';
import { EXIT_ERROR, EXIT_OK } from './exit-codes.js';
import { humanBytes, humanCount, humanElapsed, humanLines } from './human-units.js';
import { LiveStatus, type StatusLine } from './live-status.js';
import { pumpOutput } from './output-pump.js';
import { printable } from './printable.js';
import { addServerOptions, connect, parseSessionId, type ServerOptions } from './server-option.js';
import { ServerWatch } from './server-watch.js';
import { isAllStored, sessionEnd, whyNotCompleted } from './session-end.js';
import { storedClause } from './stored-sentence.js';
import { Tee } from './tee.js';
import { inOurWords } from './usage-error.js';

const LINE_END = Buffer.from('\n');

const UNKNOWN_OPTION_HINT = "; if it is the command's, put -- before the command";

interface RunOptions extends ServerOptions {
  readonly session: string;
  readonly user?: string;
  readonly roleStdout: string;
  readonly roleStderr: string;
  readonly tee?: true;
  readonly leaveOpen?: true;
}

const HELP = `
Every line of the command's output becomes a frame, in the order it was read: role "stdout" or "stderr", content with
the line's own terminator. An unfinished line is sent after 200 ms of silence; a line over 64 KiB in pieces.
Bytes that are not UTF-8 are stored as U+FFFD.

While the server is away, up to 64 MiB of output wait for it; then the command does, until nothing has moved for 30 s.
From then on lines are counted as not stored until the server is back. After the command has ended, what waits is given
up after 30 s without progress, or at Ctrl-C.

Ctrl-C and SIGTERM go to the command, and what it still says is stored. The second one kills it and ends logweir at once,
with a word on what is not confirmed as stored.

When everything is stored, the session is completed with the command's exit code: as "stopped" when a signal ended the
command, or when it ended after Ctrl-C or SIGTERM, else as "completed" with exit code 0 and "failed" with any other.
It is left open with --leave-open, when not everything was stored, and after a second Ctrl-C; logweir complete completes it
then. That a session could not be completed is said, and changes no exit code.

A command that asks questions needs --tee: then its prompts are seen, and no status line is drawn over what is typed.

Exit code: the command's own; 128 + n when signal n ended it; 126 or 127 when it cannot be started; 1 when the server
cannot be reached (the command is then not run), or when the command succeeded and not all of its output was stored.

Examples:
  logweir run --session build -- npm test
  logweir run --session build --tee -- make -j8
  logweir run --session release --leave-open -- make test && logweir run --session release -- make publish
  logweir run --session nightly --server logs.internal:50053 -- sh -c 'make && make install'`;

/** `limits` are for tests, which do not wait for half a minute or fill 64 MiB. */
export function registerRun(program: Command, io: CommandIo, limits: Partial<ProducerLimits> = {}): void {
  const command = program
    .command('run')
    .description('Run a command and store its output as a session, line by line')
    .requiredOption('--session <id>', 'the session that the output belongs to', parseSessionId)
    .option('--user <id>', 'user_id of every frame')
    .option('--role-stdout <role>', 'role of lines from stdout', 'stdout')
    .option('--role-stderr <role>', 'role of lines from stderr', 'stderr')
    .option('--tee', 'also pass the output through; the command goes on when nobody reads it any more')
    .option('--leave-open', 'do not complete the session: more is to come');
  addServerOptions(command)
    .argument('<command...>', 'the command and its arguments, after --')
    .addHelpText('after', HELP)
    .configureOutput({ outputError: (text, write) => write(inOurWords(text, UNKNOWN_OPTION_HINT)) })
    .action(async (argv: string[], options: RunOptions) => {
      const connection = await connect(options, io);
      try {
        io.setExitCode(await run(argv, options, connection, limits, io));
      } finally {
        connection.close();
      }
    });
}

async function run(
  argv: string[],
  options: RunOptions,
  connection: LogConnection,
  limits: Partial<ProducerLimits>,
  io: CommandIo,
): Promise<number> {
  const producer = new FrameProducer(connection, limits);
  const child = await ChildCommand.start(argv, io);
  const startedMs = performance.now();
  const counts: Counts = { bytes: 0, startedMs, outputMs: startedMs, exitCode: null };
  const holdsStill = options.tee === true && isatty(0);
  const status = new LiveStatus(io.stderr, () => statusLine(options.session, producer, counts, holdsStill));
  const watch = new ServerWatch(producer, io, !status.isShown);
  const conclude = (): ProducerReport => {
    watch.end();
    status.end();
    const report = producer.report();
    const exit = counts.exitCode === null ? 'killed' : `exit ${counts.exitCode}`;
    io.stderr.write(`${printable(options.session)}: ${storedClause(report, options.session)}, ${exit}\n`);
    return report;
  };
  io.onSecondSignal(() => {
    child.kill();
    producer.abandon();
    conclude();
  });
  const exited = child.exitCode.then((code) => {
    counts.exitCode = code;
    watch.stopWhenAway(false);
    return code;
  });
  await storeOutput(child, options, producer, counts, tees(options, io, status));
  const code = await exited;
  const finished = await producer.finish();
  const end = sessionEnd(options.session, code, child.endedBySignal || io.signal.aborted);
  const patience = { giveUpMs: limits.giveUpMs ?? DEFAULT_LIMITS.giveUpMs, signal: io.signal };
  const notCompleted = options.leaveOpen === true ? null : await whyNotCompleted(connection, end, finished, patience);
  const report = conclude();
  if (notCompleted !== null) {
    io.stderr.write(`logweir: ${notCompleted}\n`);
  }
  return exitCode(code, report);
}

interface Counts {
  bytes: number;
  readonly startedMs: number;
  /** When the command last said something. */
  outputMs: number;
  exitCode: number | null;
}

type Tees = { readonly stdout: Tee; readonly stderr: Tee } | null;

function tees(options: RunOptions, io: CommandIo, status: LiveStatus): Tees {
  if (options.tee !== true) {
    return null;
  }
  let isSaid = false;
  const onBroken = (error: NodeJS.ErrnoException) => {
    if (!isSaid) {
      isSaid = true;
      const what =
        error.code === 'ENOSPC'
          ? `the output cannot be passed on: ${systemReason(error)}`
          : 'nobody reads the output any more';
      status.yieldTo(LINE_END);
      io.stderr.write(`logweir: ${what}; the command goes on and is stored\n`);
    }
  };
  return { stdout: new Tee(io.stdout, status, onBroken), stderr: new Tee(io.stderr, status, onBroken) };
}

async function storeOutput(
  child: ChildCommand,
  options: RunOptions,
  producer: FrameProducer,
  counts: Counts,
  tee: Tees,
): Promise<void> {
  const user = options.user === undefined ? {} : { userId: options.user };
  const pump = (stream: 'stdout' | 'stderr') => {
    const role = stream === 'stdout' ? options.roleStdout : options.roleStderr;
    return pumpOutput(child[stream], {
      passThrough: async (chunk) => {
        counts.bytes += chunk.length;
        counts.outputMs = performance.now();
        await tee?.[stream].write(chunk);
      },
      take: (content, readAtMs, lines) => {
        const frame = { sessionId: options.session, content, role, time: frameTimeOf(readAtMs), ...user };
        return producer.write(frame, undefined, lines);
      },
    });
  };
  await Promise.all([pump('stdout'), pump('stderr')]);
}

function exitCode(ofCommand: number, report: ProducerReport): number {
  return ofCommand === EXIT_OK && !isAllStored(report) ? EXIT_ERROR : ofCommand;
}

/** @param holdsStill the line changes only with the output: a redraw would take away what somebody is typing */
function statusLine(session: string, producer: FrameProducer, counts: Counts, holdsStill: boolean): StatusLine {
  const { takenLines, storedLines, state, isRefusing, giveUpInMs } = producer.progress;
  const name = printable(session);
  const waiting = `${isRefusing ? 'server cannot store' : 'server away'}, ${humanCount(takenLines - storedLines)} waiting`;
  if (counts.exitCode !== null && state === 'reconnecting') {
    const seconds = Math.ceil(giveUpInMs / 1000);
    return {
      name,
      parts: [`exit ${counts.exitCode}`, `${waiting} (gives up in ${seconds} s, Ctrl-C: now)`],
    };
  }
  const nowMs = holdsStill ? counts.outputMs : performance.now();
  const progress = [humanElapsed(nowMs - counts.startedMs), humanLines(takenLines), humanBytes(counts.bytes)];
  switch (state) {
    case 'reconnecting':
      return { name, parts: [...progress, waiting] };
    case 'stopped':
      return { name, parts: [...progress, 'NOT being stored'] };
    case 'streaming':
      return { name, parts: [...progress, counts.exitCode === null ? 'running' : `exit ${counts.exitCode}, storing`] };
  }
}
