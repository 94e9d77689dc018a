/** `logweir ls`: the sessions of a LOG_DIR or of a server, a row each, without reading what is in them. */
import type { Command } from 'commander';
import pc from 'picocolors';
import type { SessionSummary } from '../reading/session-list.js';
import type { CommandIo } from './command-io.js';
import { humanBytes, humanCount } from './human-units.js';
import { truncate } from './live-status.js';
import { writeOut } from './log-dir.js';
import { printable } from './printable.js';
import { exitCodeOf } from './server-option.js';
import { addLogsOptions, type LogsOptions, withLogs } from './session-logs.js';

interface LsOptions extends LogsOptions {
  readonly json?: true;
}

const HELP = `
Columns: session, first and last seq, segments, bytes on the disk, time of the last line (UTC), and how the session stands: what
it was completed as, with its exit code; else "active" while a segment is open or being sealed, and "idle". Sorted by session;
an id over 48 columns, and a status over 24, are cut; --json has all of it: state is "completed", "active" or "idle", status and
exit_code are what the session was completed with, or null.

Reads LOG_DIR on this machine; with --server it asks that server.

Examples:
  logweir ls
  logweir ls build- --server logs:50053
  logweir ls --json | jq -r 'select(.state == "active") | .session_id'
  logweir ls --json | jq -r 'select(.exit_code > 0) | .session_id'`;

export function registerLs(program: Command, io: CommandIo): void {
  const command = program
    .command('ls')
    .description('List the stored sessions')
    .argument('[prefix]', 'only sessions whose id begins with it')
    .option('--json', 'one JSON object a line');
  addLogsOptions(command, 'dir')
    .addHelpText('after', HELP)
    .action(async (prefix: string | undefined, options: LsOptions) => {
      const print = options.json === true ? printJson : printTable;
      await withLogs(options, io, 'dir', (logs) => print(logs.sessions(prefix, io.signal), io));
    });
}

async function printJson(sessions: AsyncIterable<SessionSummary>, io: CommandIo): Promise<void> {
  for (const session of await sorted(sessions, io)) {
    const row = JSON.stringify({
      session_id: session.sessionId,
      first_seq: session.firstSeq,
      last_seq: session.lastSeq,
      segments: session.segments,
      stored_bytes: session.storedBytes,
      last_time: session.lastTime,
      state: session.completion === null ? session.state : 'completed',
      status: session.completion?.status ?? null,
      exit_code: session.completion?.exitCode ?? null,
    });
    // JSON leaves DEL and C1 controls as they are; a terminal does not.
    const safe = row.replace(/[\u007f-\u009f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
    await writeOut(io.stdout, `${safe}\n`);
  }
}

const HEADINGS = ['SESSION', 'FIRST', 'LAST', 'SEGMENTS', 'SIZE', 'LAST LINE', 'STATUS', 'EXIT'] as const;
const ID_COLUMNS_MAX = 48;
const STATUS_COLUMNS_MAX = 24;
const IS_NUMBER = [false, true, true, true, true, false, false, true] as const;

async function printTable(sessions: AsyncIterable<SessionSummary>, io: CommandIo): Promise<void> {
  const isTerminal = io.stdout.isTTY === true;
  const listed = await sorted(sessions, io);
  const rows = listed.map((session) => rowOf(session, isTerminal));
  if (rows.length === 0) {
    io.stderr.write('no sessions\n');
    return;
  }
  const widths = HEADINGS.map((heading, column) =>
    rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), heading.length),
  );
  const colors = pc.createColors(isTerminal && pc.isColorSupported);
  await writeOut(io.stdout, `${colors.bold(aligned(HEADINGS, widths))}\n`);
  for (const [index, row] of rows.entries()) {
    const line = aligned(row, widths);
    const { state, completion } = listed[index] ?? { state: 'idle', completion: null };
    await writeOut(io.stdout, `${state === 'active' && completion === null ? colors.green(line) : line}\n`);
  }
}

function rowOf(session: SessionSummary, isTerminal: boolean): string[] {
  const count = isTerminal ? humanCount : String;
  return [
    truncate(printable(session.sessionId), ID_COLUMNS_MAX),
    count(session.firstSeq),
    count(session.lastSeq),
    count(session.segments),
    isTerminal ? humanBytes(session.storedBytes) : String(session.storedBytes),
    printable(isTerminal ? session.lastTime.slice(0, 19).replace('T', ' ') : session.lastTime),
    truncate(printable(session.completion?.status ?? session.state), STATUS_COLUMNS_MAX),
    String(session.completion?.exitCode ?? ''),
  ];
}

function aligned(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, column) => {
      const width = widths[column] ?? 0;
      return IS_NUMBER[column] === true ? cell.padStart(width) : cell.padEnd(width);
    })
    .join('  ')
    .trimEnd();
}

/** By id: on the disk they stand by their encoded names. What has been found until the user ends it. */
async function sorted(sessions: AsyncIterable<SessionSummary>, io: CommandIo): Promise<SessionSummary[]> {
  const found: SessionSummary[] = [];
  for await (const session of sessions) {
    if (io.signal.aborted) {
      io.setExitCode(exitCodeOf(io.signal));
      break;
    }
    found.push(session);
  }
  return found.toSorted((a, b) => (a.sessionId < b.sessionId ? -1 : 1));
}
