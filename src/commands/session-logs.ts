/** Where `tail`, `monitor`, `cat` and `ls` read: a LOG_DIR on this machine, or a server. */
import type { Command } from 'commander';
import { ReadError } from '../client/read-error.js';
import type { TailEvent, TailRequest } from '../client/tail-event.js';
import { developmentEnvironment, readClientConfig } from '../config.js';
import type { SessionSummary } from '../reading/session-list.js';
import { CommandError, type CommandIo } from './command-io.js';
import { DirectoryLogs } from './directory-logs.js';
import { EXIT_ERROR } from './exit-codes.js';
import { addDirOption, inOneSentence, type LogDirOptions, logDirLayout } from './log-dir.js';
import { printable } from './printable.js';
import { ServerLogs } from './server-logs.js';
import { addServerOptions, type ServerOptions } from './server-option.js';

export interface LogsOptions extends LogDirOptions, ServerOptions {}

export interface SessionLogs {
  /** In order, to the end or to where `signal` is aborted. @throws ReadError, ReadingError */
  read(request: TailRequest, signal: AbortSignal): AsyncGenerator<TailEvent, void>;
  /** By their names on disk. @throws ReadError; the reason of `signal`, where a server is waited for */
  sessions(prefix: string | undefined, signal: AbortSignal): AsyncGenerator<SessionSummary, void>;
  close(): void;
}

/** What is read when neither `--server` nor `--dir` says. */
export type LogsDefault = 'server' | 'dir';

export function addLogsOptions(command: Command, otherwise: LogsDefault): Command {
  return otherwise === 'server'
    ? addDirOption(addServerOptions(command), 'read this LOG_DIR instead of asking a server')
    : addDirOption(addServerOptions(command, 'ask this server instead of reading LOG_DIR'));
}

/**
 * Has `use` read: with `--server` from the server, with `--dir` from the directory, with neither from what the command is there for.
 * @throws CommandError in one sentence
 */
export async function withLogs(
  options: LogsOptions,
  io: CommandIo,
  otherwise: LogsDefault,
  use: (logs: SessionLogs) => Promise<void>,
): Promise<void> {
  const logs = await open(options, io, otherwise);
  try {
    await inOneSentence(use(logs));
  } catch (error) {
    throw error instanceof ReadError ? new CommandError(printable(error.message), EXIT_ERROR, { cause: error }) : error;
  } finally {
    logs.close();
  }
}

async function open(options: LogsOptions, io: CommandIo, otherwise: LogsDefault): Promise<SessionLogs> {
  const { server, dir, connectTimeout } = options;
  if (server === undefined && (dir !== undefined || otherwise === 'dir')) {
    return new DirectoryLogs(await logDirLayout(options, io));
  }
  return new ServerLogs(serverOf(options, io), connectTimeout * 1000, io.stderr);
}

/** `HOST:PORT` */
export function serverOf({ server }: Pick<ServerOptions, 'server'>, io: CommandIo): string {
  return server ?? readClientConfig(developmentEnvironment(io.env)).server;
}
