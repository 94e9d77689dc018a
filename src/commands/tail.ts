/** `logweir tail`: a session's last lines, and what is written from then on. */
import { type Command, Option } from 'commander';
import type { TailRequest } from '../client/tail-event.js';
import { CommandError, type CommandIo } from './command-io.js';
import { EXIT_USAGE } from './exit-codes.js';
import { addFilterOptions, FILTER_HELP, type FilterOptions, filterOf } from './filter-options.js';
import { FORMATS, FORMATS_HELP, type Format } from './line-format.js';
import { parseCount, parseLineCount } from './option-values.js';
import { endClause, printEvents } from './print-events.js';
import { printable } from './printable.js';
import { addLogsOptions, type LogsOptions, withLogs } from './session-logs.js';

const LINES_DEFAULT = 10;

interface TailOptions extends LogsOptions, FilterOptions {
  readonly follow?: true;
  readonly lines?: number;
  readonly tail?: number;
  readonly afterSeq?: number;
  readonly json?: true;
  readonly output: Format;
}

const HELP = `
${FORMATS_HELP}

${FILTER_HELP}

Asks a server (--server, else LOGWEIR_SERVER); with --dir it reads a LOG_DIR without one, and cannot follow.
Begins with the last ${LINES_DEFAULT} lines; with --after-seq, --since or another filter, with all that pass. --lines counts lines before
they are filtered.
With --follow it goes on until the session is completed, and then says how it ended. When the connection breaks or the
server restarts, it goes on where it was: no line is lost, none comes twice. Where lines are gone (removed, or in
quarantine), stderr says which.

Exit code: 0 at the end, 1 on an error, 2 on wrong usage, 130 after Ctrl-C.

Examples:
  logweir tail build
  logweir tail build -f --level error,warn
  logweir tail build --since 10m --grep 'timeout|refused'
  logweir tail build -f -n 0 --json | jq -r .content`;

export function registerTail(program: Command, io: CommandIo): void {
  const command = program
    .command('tail')
    .description('Print the last lines of a session, and follow it')
    .argument('<id>', 'the session')
    .option('-f, --follow', 'go on with what is written, until the session is completed')
    .addOption(
      new Option('-n, --lines <lines>', 'begin with the last so many lines; 0: with none')
        .argParser(parseLineCount)
        .conflicts(['afterSeq', 'tail']),
    )
    .addOption(new Option('--tail <lines>', 'the same as --lines').argParser(parseLineCount).conflicts('afterSeq'))
    .option('--after-seq <seq>', 'begin behind this line', parseCount)
    .addOption(new Option('-o, --output <format>', 'how lines are printed').choices(FORMATS).default('text'))
    // Not by `implies`: commander takes what is implied for given, and `conflicts` would refuse it.
    .addOption(new Option('--json', 'the same as -o json').conflicts('output'));
  addLogsOptions(addFilterOptions(command), 'server')
    .addHelpText('after', HELP)
    .action(async (sessionId: string, options: TailOptions) => {
      if (options.follow === true && options.dir !== undefined) {
        const sentence = '--follow needs a server, which tells what is new: --dir cannot be used with it';
        throw new CommandError(sentence, EXIT_USAGE);
      }
      const request = requestOf(sessionId, options);
      const format = options.json === true ? 'json' : options.output;
      await withLogs(options, io, 'server', async (logs) => {
        const end = await printEvents(logs.read(request, io.signal), format, io);
        if (end !== null && options.follow === true) {
          io.stderr.write(`--- ${printable(sessionId)}: ${endClause(end)} ---\n`);
        }
      });
    });
}

function requestOf(sessionId: string, options: TailOptions): TailRequest {
  const { afterSeq, follow = false } = options;
  const filter = filterOf(options);
  const isWhole = afterSeq !== undefined || filter !== undefined;
  const lines = options.lines ?? options.tail ?? (isWhole ? undefined : LINES_DEFAULT);
  const place = lines === undefined ? { afterSeq: afterSeq ?? 0 } : { tail: lines };
  return { sessionId, follow, ...place, ...(filter && { filter }) };
}
