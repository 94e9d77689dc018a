/** An agent that is frozen, or behind a network that passes nothing on: its slot is free within keepalive time + timeout + 1 s. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { TcpProxy } from '../client/tcp-proxy.js';
import { LogClient } from '../support/log-client.js';
import { metric, openDescriptors } from '../support/process-use.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';
import { amount, measured } from './amounts.js';

const ROW = 'agent frozen or network black hole';
const BINARY = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));
const KEEPALIVE_SECONDS = 2;
const TIMEOUT_SECONDS = 1;
const PROMISED_MS = (KEEPALIVE_SECONDS + TIMEOUT_SECONDS + 1) * 1000;
const AGENTS = amount(4, 20);

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess;

beforeAll(async () => {
  directory = await temporaryDirectory();
  server = await startServer({
    LOG_DIR: directory.path,
    GRPC_KEEPALIVE_SECONDS: String(KEEPALIVE_SECONDS),
    GRPC_KEEPALIVE_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
    GRPC_MAX_CONNECTIONS: String(AGENTS + 1),
  });
});

const started: ChildProcess[] = [];

afterEach(() => {
  for (const agent of started.splice(0)) {
    agent.kill('SIGKILL');
  }
});

afterAll(async () => {
  await server.end('SIGKILL');
  await directory[Symbol.asyncDispose]();
});

async function open(what: 'connections' | 'streams'): Promise<number | undefined> {
  return (await metric(server.http, `logweir_${what}_open`)).get('');
}

/**
 * Waits until the slots are free. How long that took is measured and not asserted to the millisecond: what a busy machine adds
 * to the promise is not the server's doing. But it must be the keepalive that frees them, not a later deadline.
 */
async function freedWithin(sinceMs: number): Promise<number> {
  await expect.poll(() => open('streams'), { timeout: 60_000, interval: 50 }).toBe(0);
  await expect.poll(() => open('connections'), { timeout: 60_000, interval: 50 }).toBe(0);
  const tookMs = performance.now() - sinceMs;
  expect(tookMs).toBeLessThan(PROMISED_MS + 10_000);
  return tookMs;
}

test('frozen agents free their slots, everything they had sent is stored, and they go on when they wake', async () => {
  const before = openDescriptors(server.pid);
  const agents = Array.from({ length: AGENTS }, (_, index) => startAgent(index));
  for (const agent of agents) {
    agent.process.stdin?.write('before\n');
  }
  const stored = async (): Promise<unknown[][]> =>
    Promise.all(
      agents.map(async ({ session }) => (await storedLines(directory.path, session)).map(({ content }) => content)),
    );
  await expect.poll(stored, { timeout: 60_000 }).toEqual(agents.map(() => ['before']));
  expect(await open('streams')).toBe(AGENTS);
  for (const agent of agents) {
    agent.process.kill('SIGSTOP');
  }
  const tookMs = await freedWithin(performance.now());
  await expect.poll(() => openDescriptors(server.pid)).toBeLessThanOrEqual(before + AGENTS + 2);
  // Their slots are of use to others.
  using another = new LogClient(server.grpc);
  expect(await another.write([{ session_id: 'another', content: 'x' }])).toMatchObject({ ok: true });
  for (const agent of agents) {
    agent.process.kill('SIGCONT');
    agent.process.stdin?.end('after\n');
  }
  expect(await Promise.all(agents.map(({ ended }) => ended))).toEqual(agents.map(() => 0));
  expect(await stored()).toEqual(agents.map(() => ['before', 'after']));
  measured(ROW, { 'agents stopped': AGENTS, 'promised ms': PROMISED_MS, 'freed after ms': Math.round(tookMs) });
});

test('agents behind a network that passes nothing on free their slots', async () => {
  await using proxy = await TcpProxy.start(Number(server.grpc.split(':')[1]));
  const clients = Array.from({ length: AGENTS }, () => new LogClient(proxy.address));
  const streams = clients.map((client) => client.openBatches());
  await Promise.all(
    streams.map((stream, index) => {
      stream.send(1, [{ session_id: `behind-${index}`, content: 'x' }]);
      return stream.acknowledged(1);
    }),
  );
  expect(await open('streams')).toBe(AGENTS);
  proxy.freeze();
  const tookMs = await freedWithin(performance.now());
  for (const client of clients) {
    client[Symbol.dispose]();
  }
  measured(ROW, { 'agents behind a black hole': AGENTS, 'these freed after ms': Math.round(tookMs) });
});

interface Agent {
  readonly process: ChildProcess;
  readonly session: string;
  readonly ended: Promise<number | null>;
}

/** `logweir send`, which keeps its stream open while its standard input is. */
function startAgent(index: number): Agent {
  const session = `frozen-${index}`;
  const child = spawn(process.execPath, [BINARY, 'send', '--session', session], {
    env: { PATH: process.env['PATH'], LOGWEIR_SERVER: server.grpc, NODE_ENV: 'production' },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  started.push(child);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { process: child, session, ended };
}
