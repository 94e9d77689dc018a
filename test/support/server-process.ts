import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BINARY = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));

export interface ServerProcess {
  readonly pid: number;
  readonly grpc: string;
  readonly http: string;
  /** What it printed on stderr so far. */
  readonly log: () => string;
  /** Sends a signal; resolves with the exit code, or the signal's name when that ended it. */
  end(signal: NodeJS.Signals): Promise<number | string>;
  /** Resolves as `end` does, when it ends by itself. */
  readonly ended: Promise<number | string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The real binary in a process of its own, on free ports. Resolves when it says that it is ready.
 * @param through a command that becomes the command behind it (`exec`), as `nsenter` and `env` do
 * @param program of Node, when it is to be another server than `logweir serve`
 */
export async function startServer(
  environment: Record<string, string>,
  through: readonly string[] = [],
  program: readonly string[] = ['--enable-source-maps', BINARY, 'serve'],
): Promise<ServerProcess> {
  const [command = process.execPath, ...args] = [...through, process.execPath, ...program];
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'], GRPC_PORT: '0', HTTP_PORT: '0', NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8');
  const ready = new Promise<{ grpc: string; http: string }>((resolve, reject) => {
    child.stderr.on('data', (text: string) => {
      log += text;
      const line = log.split('\n').find((candidate) => candidate.includes('"msg":"ready"'));
      if (line !== undefined) {
        resolve(JSON.parse(line) as { grpc: string; http: string });
      }
    });
    child.once('close', (code) => reject(new Error(`the server ended with ${code} before it was ready:\n${log}`)));
  });
  const ended = exitOf(child);
  const { grpc, http } = await ready;
  const end = (signal: NodeJS.Signals): Promise<number | string> => {
    child.kill(signal);
    return ended;
  };
  return {
    pid: child.pid ?? 0,
    grpc,
    http,
    log: () => log,
    end,
    ended,
    async [Symbol.asyncDispose]() {
      await end('SIGKILL');
    },
  };
}

function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
}
