/** `logweir complete`: a session is over. */
import { type Command, InvalidArgumentError } from 'commander';
import { completeSession } from '../client/complete-session.js';
import { WriteError } from '../client/write-error.js';
import { COMPLETION_STATUS_BYTES_MAX } from '../frame/limits.js';
import { CommandError, type CommandIo } from './command-io.js';
import { EXIT_ERROR } from './exit-codes.js';
import { humanCount } from './human-units.js';
import { printable } from './printable.js';
import { addServerOptions, connect, exitCodeOf, parseSessionId, type ServerOptions } from './server-option.js';

interface CompleteOptions extends ServerOptions {
  readonly status: string;
  readonly exitCode?: number;
}

/** A server that is starting again is back by then. */
const PATIENCE_MS = 30_000;
const INT32_MAX = 2 ** 31 - 1;

const HELP = `
The session's lines are sealed, jobs on Redis hear of its completion, and whoever follows it is told how it ended. All of it
is durable when the command ends, and survives restarts. Lines that come afterwards are still stored, and open the session
again. The same told again changes nothing; another status or exit code for the same last line is refused.

Exit code: 0 when the session is completed, 1 when not (nothing is stored under the id, it was completed in another way, or
the server cannot be reached), 2 on wrong usage, 130 or 143 when interrupted.

Examples:
  logweir complete build
  logweir complete build --status failed --exit-code 2
  logweir complete nightly --status stopped --server logs.internal:50053`;

export function registerComplete(program: Command, io: CommandIo): void {
  const command = program
    .command('complete')
    .description('Say that a session is over, and how it ended')
    .argument('<id>', 'the session', parseSessionId)
    .option('--status <status>', 'how it ended, for example completed, failed or stopped', parseStatus, 'completed')
    .option('--exit-code <n>', 'exit code of what the session is about', parseExitCode);
  addServerOptions(command)
    .addHelpText('after', HELP)
    .action(async (sessionId: string, options: CompleteOptions) => {
      const connection = await connect(options, io);
      const { status, exitCode = null } = options;
      try {
        const patience = { patienceMs: PATIENCE_MS, signal: io.signal };
        const lastSeq = await completeSession(connection, { sessionId, status, exitCode }, patience);
        const how = exitCode === null ? '' : `, exit code ${exitCode}`;
        io.stderr.write(`${printable(sessionId)}: ${printable(status)} at seq ${humanCount(lastSeq)}${how}\n`);
      } catch (error) {
        if (!(error instanceof WriteError)) {
          throw error;
        }
        throw io.signal.aborted
          ? new CommandError('interrupted: the session may be completed all the same', exitCodeOf(io.signal))
          : new CommandError(`${printable(sessionId)}: ${printable(error.message)}`, EXIT_ERROR, { cause: error });
      } finally {
        connection.close();
      }
    });
}

function parseStatus(value: string): string {
  const bytes = Buffer.byteLength(value);
  if (bytes === 0 || bytes > COMPLETION_STATUS_BYTES_MAX) {
    throw new InvalidArgumentError(`a status has 1 to ${COMPLETION_STATUS_BYTES_MAX} bytes.`);
  }
  return value;
}

function parseExitCode(value: string): number {
  const code = Number(value);
  if (!/^-?\d+$/.test(value) || code > INT32_MAX || code < -INT32_MAX - 1) {
    throw new InvalidArgumentError('expected a whole number of 32 bits.');
  }
  return code;
}
