/**
 * `logweir run`: a command whose output becomes a session.
 *
 * A frame's content is one line with its terminator, so all contents together are what the command printed, byte for
 * byte (invalid UTF-8 excepted: a protobuf string cannot hold it, it becomes U+FFFD). The command is not started when
 * the server cannot be reached; once started, it runs to its end whatever happens to the server.
 */
import type { Command } from 'commander';
import { frameTimeOf } from '../client/frame.js';
import { FrameProducer, type ProducerLimits, type ProducerReport } from '../client/frame-producer.js';
import { ChildCommand } from './child-command.js';
import type { CommandIo } from './command-io.js';
import { EXIT_ERROR, EXIT_OK } from './exit-codes.js';
import { humanBytes, humanCount, humanElapsed, humanLines } from './human-units.js';
import { LiveStatus } from './live-status.js';
import { pumpOutput } from './output-pump.js';
import { printable } from './printable.js';
import { addServerOptions, connect, parseSessionId, type ServerOptions } from './server-option.js';
import { storedClause } from './stored-sentence.js';
import { Tee } from './tee.js';

interface RunOptions extends ServerOptions {
  readonly session: string;
  readonly user?: string;
  readonly roleStdout: string;
  readonly roleStderr: string;
  readonly tee?: true;
}

const HELP = `
Every line of the command's output becomes a frame, in the order it was read: role "stdout" or "stderr", content with
the line's own terminator. An unfinished line is sent after 200 ms of silence; a line over 64 KiB in pieces.
Bytes that are not UTF-8 are stored as U+FFFD.

Exit code: the command's own; 128 + n when signal n ended it; 126 or 127 when it cannot be started; 1 when the server
cannot be reached (the command is then not run), or when the command succeeded and not all of its output was stored.

Examples:
  logweir run --session build -- npm test
  logweir run --session build --tee -- make -j8
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
    .option('--tee', 'also pass the output through');
  addServerOptions(command)
    .argument('<command...>', 'the command and its arguments, behind --')
    .addHelpText('after', HELP)
    .action(async (argv: string[], options: RunOptions) => {
      const connection = await connect(options, io);
      try {
        io.setExitCode(await run(argv, options, new FrameProducer(connection, limits), io));
      } finally {
        connection.close();
      }
    });
}

async function run(argv: string[], options: RunOptions, producer: FrameProducer, io: CommandIo): Promise<number> {
  const child = await ChildCommand.start(argv, io);
  const counts = { bytes: 0, startedMs: performance.now(), exitCode: null as number | null };
  const status = new LiveStatus(io.stderr, () => statusLine(options.session, producer, counts));
  const tee = options.tee === true ? { stdout: new Tee(io.stdout, status), stderr: new Tee(io.stderr, status) } : null;
  const pump = (stream: 'stdout' | 'stderr') =>
    pumpOutput(child[stream], {
      passThrough: async (chunk) => {
        counts.bytes += chunk.length;
        await tee?.[stream].write(chunk);
      },
      take: async (content, readAtMs) => {
        await producer.write({
          sessionId: options.session,
          content,
          role: stream === 'stdout' ? options.roleStdout : options.roleStderr,
          time: frameTimeOf(readAtMs),
          ...(options.user === undefined ? {} : { userId: options.user }),
        });
      },
    });
  await Promise.all([pump('stdout'), pump('stderr')]);
  counts.exitCode = await child.exitCode;
  const report = await producer.finish();
  status.end();
  io.stderr.write(`${printable(options.session)}: ${storedClause(report, options.session)}, exit ${counts.exitCode}\n`);
  return exitCode(counts.exitCode, report);
}

function exitCode(ofCommand: number, report: ProducerReport): number {
  return ofCommand === EXIT_OK && report.unconfirmed > 0 ? EXIT_ERROR : ofCommand;
}

function statusLine(
  sessionId: string,
  producer: FrameProducer,
  counts: { bytes: number; startedMs: number; exitCode: number | null },
): string {
  const { taken, stored, state } = producer.progress;
  const parts = [
    printable(sessionId),
    humanElapsed(performance.now() - counts.startedMs),
    humanLines(taken),
    humanBytes(counts.bytes),
  ];
  if (state === 'reconnecting') {
    parts.push(`server away, ${humanCount(taken - stored)} waiting`);
  } else if (state === 'stopped') {
    parts.push('NOT being stored');
  } else {
    parts.push(counts.exitCode === null ? 'running' : `exit ${counts.exitCode}, storing`);
  }
  return parts.join(' · ');
}
