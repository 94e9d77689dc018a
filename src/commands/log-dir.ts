/** What `ls` and `cat` share: reading a LOG_DIR on this machine, beside a running server or without one. */
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { developmentEnvironment, readConfig, subsetOf } from '../config.js';
import { ReadingError } from '../reading/reading-error.js';
import { type Layout, layoutOf } from '../segment/layout.js';
import { nodeFiles } from '../segment/node-files.js';
import { CommandError, type CommandIo, type OutputStream } from './command-io.js';
import { EXIT_ERROR } from './exit-codes.js';
import { printable } from './printable.js';

export interface LogDirOptions {
  readonly dir?: string;
}

const DIRECTORY = "the server's LOG_DIR (default: LOG_DIR, or ./logs)";

export function addDirOption(command: Command, description = DIRECTORY): Command {
  return command.addOption(new Option('--dir <directory>', description).conflicts('server'));
}

/** @throws CommandError when there is no such directory */
export async function logDirLayout(options: LogDirOptions, io: CommandIo): Promise<Layout> {
  const { logDir } = readConfig(
    options.dir === undefined ? subsetOf(developmentEnvironment(io.env), ['LOG_DIR']) : { LOG_DIR: options.dir },
  );
  const found = await inOneSentence(nodeFiles.list(logDir));
  if (found.length === 0 && (await nodeFiles.stat(logDir)) === null) {
    throw new CommandError(`there is no directory ${printable(logDir)}: set LOG_DIR or --dir`, EXIT_ERROR);
  }
  const layout = layoutOf(logDir);
  const places = [layout.active, layout.sealing, layout.sessions].map((path) => basename(path));
  if (found.length > 0 && !found.some((name) => places.includes(name))) {
    throw new CommandError(
      `${printable(logDir)} is no LOG_DIR: it has neither ${places.join('/ nor ')}/; set LOG_DIR or --dir`,
      EXIT_ERROR,
    );
  }
  return layout;
}

/** Turns what reading may throw into what a person can use. @throws CommandError */
export async function inOneSentence<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ReadingError) {
      throw new CommandError(printable(error.message), EXIT_ERROR, { cause: error });
    }
    const { code, path } = error as NodeJS.ErrnoException;
    if (code !== undefined && path !== undefined) {
      const reason = code === 'EACCES' ? 'permission denied' : code;
      throw new CommandError(`cannot read ${printable(path)}: ${reason}`, EXIT_ERROR, { cause: error });
    }
    throw error;
  }
}

/** Writes at the pace of whoever reads it. */
export async function writeOut(out: OutputStream, bytes: string | Uint8Array): Promise<void> {
  if (!out.write(bytes)) {
    await new Promise<void>((resolve) => {
      out.once('drain', resolve);
    });
  }
}
