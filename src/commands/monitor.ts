/** `logweir monitor`: one session for eyes: a banner, its recent lines, what is written from then on, and how it ended. */
import { type Command, Option } from 'commander';
import { isCompleted, type TailEvent } from '../client/tail-event.js';
import { splitLines } from '../reading/parsed-lines.js';
import type { CommandIo } from './command-io.js';
import { addFilterOptions, FILTER_HELP, type FilterOptions, filterOf } from './filter-options.js';
import { keyPress } from './key-press.js';
import { colorsOf } from './line-format.js';
import { writeOut } from './log-dir.js';
import { parseLineCount } from './option-values.js';
import { endClause, printEvents } from './print-events.js';
import { printable } from './printable.js';
import { addServerOptions, type ServerOptions } from './server-option.js';
import { type SessionLogs, serverOf, withLogs } from './session-logs.js';

const LINES_DEFAULT = 20;
const RULE_COLUMNS_MAX = 100;

interface MonitorOptions extends ServerOptions, FilterOptions {
  readonly lines: number;
}

const HELP = `
Shows who writes the session, its recent lines, and then each line as it is written, with times in UTC. Any key ends it
(Ctrl-C where input is no terminal); it ends by itself when the session is completed, or was, and says how that went. When the
connection breaks or the server restarts, it goes on where it was.

${FILTER_HELP}
--lines counts lines before they are filtered.

Exit code: 0 at the end or after a key, 1 on an error, 2 on wrong usage, 130 after Ctrl-C.

Examples:
  logweir monitor build
  logweir monitor build -n 50 --level error,warn`;

export function registerMonitor(program: Command, io: CommandIo): void {
  const command = program
    .command('monitor')
    .description('Watch a session on a terminal')
    .argument('<id>', 'the session')
    .addOption(
      new Option('-n, --lines <lines>', 'begin with the last so many lines')
        .argParser(parseLineCount)
        .default(LINES_DEFAULT),
    );
  addServerOptions(addFilterOptions(command))
    .addHelpText('after', HELP)
    .action(async (sessionId: string, options: MonitorOptions) => {
      const screen = new Screen(sessionId, serverOf(options, io), io);
      await withLogs(options, io, 'server', (logs) => monitor(logs, screen, options, io));
    });
}

async function monitor(logs: SessionLogs, screen: Screen, options: MonitorOptions, io: CommandIo): Promise<void> {
  const { sessionId } = screen;
  const filter = filterOf(options);
  const filtered = filter === undefined ? {} : { filter };
  await screen.banner(await userOf(logs, sessionId, io.signal));
  let lastSeq: number | null = null;
  const seen = (event: TailEvent): void => {
    lastSeq = event.lastSeq;
  };
  const recent = logs.read({ sessionId, tail: options.lines, ...filtered }, io.signal);
  const stored = await printEvents(recent, 'text', io, seen);
  if (stored === null) {
    return;
  }
  if (isCompleted(stored)) {
    await screen.footer(endClause(stored));
    return;
  }
  const key = keyPress(io);
  try {
    await screen.live(key.isPossible);
    const signal = AbortSignal.any([io.signal, key.signal]);
    const live = logs.read({ sessionId, afterSeq: stored.lastSeq, follow: true, ...filtered }, signal);
    const end = await printEvents(live, 'text', io, seen);
    await screen.footer(end === null ? `left behind line ${lastSeq ?? 0}: the session goes on` : endClause(end));
    if (end === null && key.wasInterrupt()) {
      io.setExitCode(130);
    }
  } finally {
    key.stop();
  }
}

/** Of its last line; null when nobody stands there, or nothing can be read. */
async function userOf(logs: SessionLogs, sessionId: string, signal: AbortSignal): Promise<string | null> {
  let user: string | null = null;
  for await (const event of logs.read({ sessionId, tail: 1 }, signal)) {
    if (event.kind === 'lines') {
      user = splitLines(event.bytes).at(-1)?.frame.user_id ?? null;
    }
  }
  return user;
}

/** What stands around the lines. */
class Screen {
  readonly sessionId: string;
  readonly #server: string;
  readonly #io: CommandIo;

  constructor(sessionId: string, server: string, io: CommandIo) {
    this.sessionId = sessionId;
    this.#server = server;
    this.#io = io;
  }

  async banner(user: string | null): Promise<void> {
    const { bold, dim } = colorsOf(this.#io.stdout);
    const rows = [
      `${dim('Session')}  ${bold(printable(this.sessionId))}`,
      `${dim('User')}     ${user === null ? '-' : printable(user)}`,
      `${dim('Server')}   ${printable(this.#server)}`,
    ];
    await this.#print(`${this.#rule('=')}\n${rows.map((row) => `  ${row}\n`).join('')}${this.#rule('=')}\n`);
  }

  async live(hasKeys: boolean): Promise<void> {
    const { dim } = colorsOf(this.#io.stdout);
    await this.#print(`${dim(`--- live: press ${hasKeys ? 'any key' : 'Ctrl-C'} to exit ---`)}\n`);
  }

  async footer(what: string): Promise<void> {
    const { bold } = colorsOf(this.#io.stdout);
    await this.#print(`${this.#rule('=')}\n  ${bold(printable(this.sessionId))}: ${what}\n${this.#rule('=')}\n`);
  }

  #rule(char: string): string {
    return char.repeat(Math.min(this.#io.stdout.columns ?? 80, RULE_COLUMNS_MAX));
  }

  #print(text: string): Promise<void> {
    return writeOut(this.#io.stdout, text);
  }
}
