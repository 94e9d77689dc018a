/** The command line: every verb registers itself here; commander does the rest. */
import { Command } from 'commander';
import { registerCat } from './cat.js';
import type { ServiceIo } from './command-io.js';
import { registerComplete } from './complete.js';
import { registerConfig } from './config.js';
import { registerLs } from './ls.js';
import { registerMonitor } from './monitor.js';
import { registerRun } from './run.js';
import { registerSend } from './send.js';
import { registerServe } from './serve.js';
import { registerTail } from './tail.js';
import { inOurWords } from './usage-error.js';
import { registerVerify } from './verify.js';

const DESCRIPTION =
  'The central log writer for fleets of agents: one ordered, durable, rotated, compressed NDJSON history per session.';

const HELP = `
Examples:
  logweir serve                                     # gRPC on 127.0.0.1:50053, HTTP on 127.0.0.1:8080
  logweir run --session build -- npm test           # a command's output becomes the session "build"
  logweir cat build                                 # and reads as one log, finished segments and the active one
  logweir tail build -f                             # its last lines, and what is written from then on
  logweir monitor build                             # the same for eyes
  logweir ls
  logweir verify                                    # is everything there, and as it was?

Environment:
  The server is configured by environment variables: see "logweir serve --help".
  LOGWEIR_SERVER=host:port says where run, send, complete, tail and monitor find it (default: GRPC_HOST:GRPC_PORT).

Exit codes:
  0 done, 1 error, 2 wrong usage, 78 wrong configuration, 130 interrupted (Ctrl-C), 143 terminated`;

/** Throws CommanderError instead of ending the process; its exitCode is 0 for help and version. */
export function createProgram(io: ServiceIo, version: string): Command {
  const program = new Command('logweir')
    .description(DESCRIPTION)
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('(--help says more)')
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(inOurWords(text)),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
    })
    .addHelpText('after', HELP);
  registerServe(program, io, version);
  registerConfig(program, io);
  registerRun(program, io);
  registerSend(program, io);
  registerComplete(program, io);
  registerLs(program, io);
  registerCat(program, io);
  registerTail(program, io);
  registerMonitor(program, io);
  registerVerify(program, io);
  return program;
}
