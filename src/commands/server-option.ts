/** What `run` and `send` share: where the server is, which session, and connecting with one clear sentence when it fails. */
import { type Command, InvalidArgumentError } from 'commander';
import { CONNECT_TIMEOUT_MS, LogConnection } from '../client/log-connection.js';
import { WriteError } from '../client/write-error.js';
import { developmentEnvironment, readClientConfig } from '../config.js';
import { SESSION_ID_BYTES_MAX } from '../frame/limits.js';
import { CommandError, type CommandIo, Interrupted } from './command-io.js';
import { EXIT_ERROR, EXIT_SIGINT, EXIT_SIGTERM } from './exit-codes.js';

export interface ServerOptions {
  readonly server?: string;
  readonly connectTimeout: number;
}

const SERVER = 'where logweir listens (default: LOGWEIR_SERVER, or GRPC_HOST:GRPC_PORT)';

export function addServerOptions(command: Command, description = SERVER): Command {
  return command
    .option('--server <host:port>', description, parseServer)
    .option('--connect-timeout <seconds>', 'how long to wait for the server', parseSeconds, CONNECT_TIMEOUT_MS / 1000);
}

/** For commander's option parsing. */
export function parseSessionId(value: string): string {
  const bytes = Buffer.byteLength(value);
  if (bytes === 0 || bytes > SESSION_ID_BYTES_MAX) {
    throw new InvalidArgumentError(`a session id has 1 to ${SESSION_ID_BYTES_MAX} bytes.`);
  }
  return value;
}

/** @throws CommandError in one sentence: unreachable, not a logweir, interrupted */
export async function connect(options: ServerOptions, io: CommandIo): Promise<LogConnection> {
  const server = options.server ?? readClientConfig(developmentEnvironment(io.env)).server;
  const opening = LogConnection.open(server, options.connectTimeout * 1000);
  const interrupted = abortOf(io.signal);
  try {
    return await Promise.race([opening, interrupted.promise]);
  } catch (error) {
    if (error instanceof WriteError) {
      throw new CommandError(error.message, EXIT_ERROR, { cause: error });
    }
    opening.then(
      (connection) => connection.close(),
      () => {},
    );
    throw error;
  } finally {
    interrupted.stop();
  }
}

/** The exit code that says which signal ended the work. */
export function exitCodeOf(signal: AbortSignal): number {
  return signal.reason instanceof Interrupted && signal.reason.signalName === 'SIGTERM' ? EXIT_SIGTERM : EXIT_SIGINT;
}

function abortOf(signal: AbortSignal): { promise: Promise<never>; stop: () => void } {
  let onAbort = () => {};
  const promise = new Promise<never>((_, reject) => {
    onAbort = () => reject(new CommandError('interrupted', exitCodeOf(signal)));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  promise.catch(() => {});
  if (signal.aborted) {
    onAbort();
  }
  return { promise, stop: () => signal.removeEventListener('abort', onAbort) };
}

function parseServer(value: string): string {
  try {
    return readClientConfig({ LOGWEIR_SERVER: value }).server;
  } catch {
    throw new InvalidArgumentError('expected HOST:PORT, like 127.0.0.1:50053.');
  }
}

function parseSeconds(value: string): number {
  const seconds = Number(value);
  if (!(seconds > 0 && seconds <= 3_600)) {
    throw new InvalidArgumentError('expected a number of seconds, more than 0 and at most 3600.');
  }
  return seconds;
}
