/** `logweir cat`: a session's stored lines, all segments and the active file as one, from the disk or from a server. */
import { type Command, Option } from 'commander';
import type { CommandIo } from './command-io.js';
import { addFilterOptions, FILTER_HELP, type FilterOptions, filterOf } from './filter-options.js';
import { FORMATS, FORMATS_HELP, type Format } from './line-format.js';
import { parseCount, parseLineCount } from './option-values.js';
import { printEvents } from './print-events.js';
import { addLogsOptions, type LogsOptions, withLogs } from './session-logs.js';

interface CatOptions extends LogsOptions, FilterOptions {
  readonly afterSeq?: number;
  readonly tail?: number;
  readonly output: Format;
}

const HELP = `
${FORMATS_HELP}

${FILTER_HELP}

Reads LOG_DIR on this machine, beside a running server or without one: what a server moves or compresses meanwhile is read
once. With --server it asks that server. Ends after the last stored line; \`logweir tail -f\` goes on.
Where lines are gone (removed, or in quarantine), stderr says which.

Examples:
  logweir cat build
  logweir cat build --tail 20 -o text
  logweir cat build --level error,warn --since 1h -o text
  logweir cat build -o raw > build.out
  logweir cat build --server logs:50053 --after-seq 5000 | jq -r .content`;

export function registerCat(program: Command, io: CommandIo): void {
  const command = program
    .command('cat')
    .description('Print the stored lines of a session')
    .argument('<id>', 'the session')
    .option('--after-seq <seq>', 'only lines after this one', parseCount)
    .addOption(
      new Option('--tail <lines>', 'only the last lines, before the filters')
        .argParser(parseLineCount)
        .conflicts('afterSeq'),
    )
    .addOption(new Option('-o, --output <format>', 'how lines are printed').choices(FORMATS).default('json'));
  addLogsOptions(addFilterOptions(command), 'dir')
    .addHelpText('after', HELP)
    .action(async (sessionId: string, options: CatOptions) => {
      const { afterSeq, tail, output } = options;
      const filter = filterOf(options);
      await withLogs(options, io, 'dir', async (logs) => {
        const place = tail === undefined ? { afterSeq: afterSeq ?? 0 } : { tail };
        await printEvents(logs.read({ sessionId, ...place, ...(filter && { filter }) }, io.signal), output, io);
      });
    });
}
