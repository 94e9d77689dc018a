/** `logweir cat`: a session's stored lines from the disk, all segments and the active file as one. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { LiveHub } from '../reading/live-hub.js';
import type { LogSource } from '../reading/log-source.js';
import { SessionLogSource } from '../reading/session-log-source.js';
import { SessionReader } from '../reading/session-reader.js';
import { nextLine } from '../reading/stored-line.js';
import { nodeFiles } from '../segment/node-files.js';
import type { CommandIo } from './command-io.js';
import { addDirOption, inOneSentence, type LogDirOptions, logDirLayout, writeOut } from './log-dir.js';
import { printable, printableLines } from './printable.js';
import { exitCodeOf } from './server-option.js';

type Format = 'json' | 'text' | 'raw';

interface CatOptions extends LogDirOptions {
  readonly afterSeq?: number;
  readonly tail?: number;
  readonly output: Format;
}

const HELP = `
Formats:
  json   the stored lines, byte for byte
  text   [2025-11-15 17:14:50] role content, times in UTC; on a terminal control characters are made visible
  raw    the contents, one after the other: after \`logweir run\`, exactly what the command printed (if it was UTF-8)

Works beside a running server: what it moves or compresses meanwhile is read once. Ends after the last stored line.
Lines that were stored and are gone (removed, or in quarantine/) are named on stderr.

Examples:
  logweir cat build
  logweir cat build --tail 20 -o text
  logweir cat build -o raw > build.out
  logweir cat build --after-seq 5000 | jq -r .content`;

export function registerCat(program: Command, io: CommandIo): void {
  const command = program
    .command('cat')
    .description('Print the stored lines of a session')
    .argument('<id>', 'the session')
    .option('--after-seq <seq>', 'only lines after this one', parseCount)
    .addOption(new Option('--tail <lines>', 'only the last lines').argParser(parseCount).conflicts('afterSeq'))
    .addOption(
      new Option('-o, --output <format>', 'how lines are printed').choices(['json', 'text', 'raw']).default('json'),
    );
  addDirOption(command)
    .addHelpText('after', HELP)
    .action(async (sessionId: string, options: CatOptions) => {
      const reader = new SessionReader(nodeFiles, await logDirLayout(options, io));
      // Nobody writes here: there is nothing to follow, and a completion would change nothing of the lines.
      const logs = new SessionLogSource({
        reader,
        hub: new LiveHub(),
        completionOf: () => Promise.resolve(null),
        settled: () => Promise.resolve(),
      });
      await inOneSentence(cat(logs, sessionId, options, io));
    });
}

async function cat(logs: LogSource, sessionId: string, options: CatOptions, io: CommandIo): Promise<void> {
  const { afterSeq = 0, tail } = options;
  const from = tail === undefined ? { afterSeq } : { tail };
  const format = formatter(options.output, io.stdout.isTTY === true);
  for await (const event of logs.read(sessionId, { ...from, signal: io.signal })) {
    if (event.kind === 'lines') {
      await writeOut(io.stdout, format(event.lines.bytes));
    } else if (event.kind === 'gap') {
      const { firstSeq, lastSeq } = event;
      const what = firstSeq === lastSeq ? `line ${firstSeq} is` : `lines ${firstSeq} to ${lastSeq} are`;
      await writeOut(io.stderr, `logweir: ${what} gone\n`);
    }
  }
  if (io.signal.aborted) {
    io.setExitCode(exitCodeOf(io.signal));
  }
}

function formatter(format: Format, isTerminal: boolean): (lines: Buffer) => string | Buffer {
  const formats: Record<Format, (lines: Buffer) => string | Buffer> = {
    json: (lines) => lines,
    raw: (lines) => mapLines(lines, (line) => line.content ?? ''),
    text: (lines) => mapLines(lines, (line) => textLine(line, isTerminal)),
  };
  return formats[format];
}

interface StoredLine {
  readonly time: string;
  readonly role?: string;
  readonly content?: string;
}

function mapLines(lines: Buffer, format: (line: StoredLine) => string): string {
  let text = '';
  for (let start = 0; start < lines.length; ) {
    const end = nextLine(lines, start);
    text += format(JSON.parse(lines.toString('utf8', start, end)) as StoredLine);
    start = end;
  }
  return text;
}

function textLine(line: StoredLine, isTerminal: boolean): string {
  const stamp = `[${line.time.slice(0, 19).replace('T', ' ')}] `;
  const role = line.role === undefined ? '' : `${printable(line.role)} `;
  // The terminator that `logweir run` keeps is this line's own end; further lines are indented, so that no content can
  // pass itself off as another frame.
  const content = (line.content ?? '').replace(/\r?\n$/, '');
  const shown = isTerminal ? printableLines(content) : content;
  return `${stamp}${role}${shown.replaceAll('\n', `\n${' '.repeat(stamp.length)}`)}\n`;
}

function parseCount(value: string): number {
  const count = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(count)) {
    throw new InvalidArgumentError('expected a whole number, 0 or more.');
  }
  return count;
}
