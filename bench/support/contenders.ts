/** The rows of the table: how each server is started and told to listen where. */
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { NodeChild } from './node-child.js';
import { logweirExecutable } from './repository.js';

export const CONTENDERS = ['ceiling', 'logweir', 'straightforward'] as const;
export type Contender = (typeof CONTENDERS)[number];

export interface ServerOptions {
  readonly logDir: string;
  /** Variables of the server besides LOG_DIR and its ports. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cores: string | null;
  /** A directory for --cpu-prof, or null. */
  readonly profileDirectory: string | null;
}

export interface RunningServer {
  readonly child: NodeChild;
  readonly grpcPort: number;
  /** Where its metrics are; null for the servers that have none. */
  readonly httpPort: number | null;
}

const READY_DEADLINE_MS = 300_000;
const ANSWER_MS_MAX = 2000;
const READY_POLL_MS = 5;

export async function startServer(contender: Contender, options: ServerOptions): Promise<RunningServer> {
  return contender === 'logweir' ? startLogweir(options) : startOwn(contender, options);
}

async function startLogweir(options: ServerOptions): Promise<RunningServer> {
  const [grpcPort, httpPort] = await freePorts();
  const child = startChild(options, [logweirExecutable(), 'serve'], {
    LOG_LEVEL: 'info',
    GRPC_HOST: '127.0.0.1',
    GRPC_PORT: String(grpcPort),
    HTTP_HOST: '127.0.0.1',
    HTTP_PORT: String(httpPort),
  });
  await orKill(child, child.while(readiness(`http://127.0.0.1:${httpPort}/readyz`)));
  return { child, grpcPort, httpPort };
}

async function startOwn(contender: 'ceiling' | 'straightforward', options: ServerOptions): Promise<RunningServer> {
  const script = contender === 'ceiling' ? './discard-server.js' : './straightforward-server.js';
  const child = startChild(options, [fileURLToPath(new URL(script, import.meta.url))], {});
  const [, port] = await orKill(child, child.saying(/^listening on (\d+)$/m));
  return { child, grpcPort: Number(port), httpPort: null };
}

function startChild(options: ServerOptions, command: string[], environment: Record<string, string>): NodeChild {
  const { profileDirectory } = options;
  return new NodeChild({
    command,
    nodeOptions: profileDirectory === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`],
    environment: { ...environment, ...options.environment, LOG_DIR: options.logDir },
    cores: options.cores,
  });
}

async function orKill<Value>(child: NodeChild, promise: Promise<Value>): Promise<Value> {
  try {
    return await promise;
  } catch (error) {
    child.kill();
    throw error;
  }
}

async function readiness(url: string): Promise<void> {
  const deadline = performance.now() + READY_DEADLINE_MS;
  while (!(await isOk(url))) {
    if (performance.now() > deadline) {
      throw new Error(`${url} did not answer 200 within ${READY_DEADLINE_MS / 1000} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
}

async function isOk(url: string): Promise<boolean> {
  try {
    // Before the server listens, its port may be another process's for a moment, which takes connections and says nothing.
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

/** Two ports that nobody listens on now. */
export async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()] as const;
  const [grpc, http] = await Promise.all([listen(servers[0]), listen(servers[1])]);
  for (const server of servers) {
    server.close();
  }
  return [grpc, http];
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}
