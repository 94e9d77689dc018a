import { spawnSync } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, LogClient } from '../support/log-client.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';
import { amount, measured } from './amounts.js';
import { JournalAgent } from './journal-agent.js';
import { metric } from './observe.js';

const compiler = spawnSync('gcc', ['--version']).status === 0;
if (!compiler) {
  console.warn('SKIPPED: SIGTERM on a stuck disk, because there is no gcc. apt-get install gcc libc6-dev');
}

const AS_PID_1 = ['bash', '-c', 'ulimit -c 0; exec unshare -Urpf --kill-child "$0" "$@"'];
const namespaces = spawnSync('unshare', ['-Urpf', 'true']).status === 0;
if (!namespaces) {
  console.warn('SKIPPED: SIGTERM as pid 1, because this user may not make a pid namespace.');
}

const SLOW = { timeout: 60_000, interval: 20 };
const FOREVER = Number.MAX_SAFE_INTEGER;

const done = {
  runs: 0,
  'frames acknowledged': 0,
  'frames reported by an ended stream': 0,
  'runs with a stuck disk': 0,
};
afterAll(() => {
  if (done.runs > 0) {
    measured('SIGTERM', done);
  }
});

/** A WriteLogStream call that sends until it is answered. Frame k of the call has the content `<name>:k`. */
async function streamUntilAnswered(address: string, sessionId: string, name: string): Promise<Answer> {
  using client = new LogClient(address);
  const stream = client.open();
  let answered = false;
  void stream.answer.then(() => {
    answered = true;
  });
  for (let count = 1; !answered; count++) {
    await stream.send({ session_id: sessionId, content: `${name}:${count}` });
    if (count % 20 === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return stream.answer;
}

/** One start, agents in both write calls, a SIGTERM at some moment: what was acknowledged or counted is stored, and the end is clean. */
async function run(logDir: string, agent: JournalAgent, name: string, delayMs: number): Promise<void> {
  await using server = await startServer({ LOG_DIR: logDir });
  const streamed = streamUntilAnswered(server.grpc, 'streamed', name);
  const batched = agent.call(server.grpc, FOREVER);
  const before = agent.acknowledged;
  await expect.poll(() => agent.acknowledged, SLOW).toBeGreaterThan(before);
  await expect.poll(() => metric(server.http, 'logweir_sessions_open'), SLOW).toBe(2);
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  expect(await server.end('SIGTERM')).toBe(0);

  const answer = await streamed;
  await batched;
  expect(agent.endings.at(-1)).toMatch(/^14 the server is shutting down; \d+ frames of this stream were stored$/);
  agent.check(await storedLines(logDir, agent.options.sessionId));

  if (answer.ok) {
    throw new Error('a stream that never ended was acknowledged');
  }
  expect(answer.code).toBe(status.UNAVAILABLE);
  const reported = Number(answer.trailers.get('logweir-frames-written')[0] ?? 0);
  const contents = (await storedLines(logDir, 'streamed')).map(({ content }) => content ?? '');
  const stored = contents.filter((content) => content.startsWith(`${name}:`));
  expect(stored).toEqual(Array.from({ length: reported }, (_, index) => `${name}:${index + 1}`));

  const said = server.log().trim().split('\n');
  expect(said.filter((line) => /"level":"(?:warn|error|fatal)"/.test(line))).toEqual([]);
  expect(said.at(-1)).toContain('"msg":"stopped"');
  expect((await readdir(join(logDir, 'active'))).toSorted()).toEqual(['batched.logtmp', 'streamed.logtmp']);
  done.runs++;
  done['frames reported by an ended stream'] += reported;
}

test('SIGTERM with traffic in flight: exit code 0, acknowledged and counted frames are stored', async () => {
  const lanes = 5;
  const runLane = async (lane: number): Promise<void> => {
    await using directory = await temporaryDirectory();
    const agent = new JournalAgent({ sessionId: 'batched', producerId: 'p', framesPerBatch: 10 });
    for (let round = 0; round < amount(40, 200) / lanes; round++) {
      await run(directory.path, agent, `run-${round}`, (round * 37 + lane * 11) % 300);
    }
    done['frames acknowledged'] += agent.acknowledged;
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(lane)));
});

describe.skipIf(!compiler)('SIGTERM on a stuck disk', () => {
  let library = '';
  let libraryDirectory: Awaited<ReturnType<typeof temporaryDirectory>> | null = null;
  beforeAll(async () => {
    libraryDirectory = await temporaryDirectory();
    library = join(libraryDirectory.path, 'stuck-disk.so');
    const source = fileURLToPath(new URL('./stuck-disk.c', import.meta.url));
    expect(spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']).status).toBe(0);
  });
  afterAll(async () => {
    await libraryDirectory?.[Symbol.asyncDispose]();
  });

  /** A server with acknowledged frames, and others that wait for a sync which does not return. */
  async function stuck(
    directory: string,
    agent: JournalAgent,
    environment: Record<string, string> = {},
    through: readonly string[] = [],
  ): Promise<{ server: ServerProcess; unstick(): Promise<void>; called: Promise<boolean> }> {
    const switchFile = join(directory, 'stuck');
    const logDir = join(directory, 'logs');
    const fixed = { LOG_DIR: logDir, LD_PRELOAD: library, STUCK_WHILE: switchFile, SHUTDOWN_DEADLINE_SECONDS: '4' };
    const server = await startServer({ ...fixed, ...environment }, through);
    expect(await agent.call(server.grpc, 20)).toBe(true);
    await writeFile(switchFile, '');
    const called = agent.call(server.grpc, 40);
    await expect.poll(() => metric(server.http, 'logweir_queue_bytes'), SLOW).toBeGreaterThan(0);
    done['runs with a stuck disk']++;
    return { server, unstick: () => rm(switchFile), called };
  }

  async function goesOn(directory: string, agent: JournalAgent): Promise<void> {
    const logDir = join(directory, 'logs');
    agent.check(await storedLines(logDir, 's'));
    await using again = await startServer({ LOG_DIR: logDir });
    expect(await agent.call(again.grpc, 60)).toBe(true);
    agent.check(await storedLines(logDir, 's'));
  }

  const newAgent = (): JournalAgent => new JournalAgent({ sessionId: 's', producerId: 'p', framesPerBatch: 20 });

  test('ends by the deadline, says what was not finished, and nothing acknowledged is lost', async () => {
    await using directory = await temporaryDirectory();
    const agent = newAgent();
    const { server, called } = await stuck(directory.path, agent);
    const since = performance.now();
    expect(await server.end('SIGTERM')).toBe('SIGKILL');
    expect(performance.now() - since).toBeGreaterThan(3_900);
    expect(await called).toBe(false);
    expect(agent.acknowledged).toBe(20);
    const lastWords = JSON.parse(server.log().trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
    expect(lastWords).toMatchObject({
      level: 'fatal',
      shutdownDeadlineSeconds: 4,
      calls: 1,
      msg: 'did not stop in time; acknowledged frames are safe',
    });
    expect(lastWords['queueBytes']).toBeGreaterThan(0);
    await goesOn(directory.path, agent);
  });

  test.skipIf(!namespaces)('ends by the deadline as pid 1 of a container, too, which can not kill itself', async () => {
    await using directory = await temporaryDirectory();
    const agent = newAgent();
    const { server, called } = await stuck(directory.path, agent, {}, AS_PID_1);
    const children = await readFile(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8');
    process.kill(Number(children.trim()), 'SIGTERM');
    expect(['SIGSEGV', 'SIGABRT', 139, 134]).toContain(await server.ended);
    expect(await called).toBe(false);
    expect(server.log()).toContain('did not stop in time; acknowledged frames are safe');
    await goesOn(directory.path, agent);
  });

  test('that comes back in time: everything is stored and acknowledged, exit code 0', async () => {
    await using directory = await temporaryDirectory();
    const agent = newAgent();
    const { server, called, unstick } = await stuck(directory.path, agent, { SHUTDOWN_DEADLINE_SECONDS: '60' });
    const ended = server.end('SIGTERM');
    await expect.poll(() => server.log(), SLOW).toContain('"msg":"stopping"');
    await unstick();
    expect(await called).toBe(true);
    expect(await ended).toBe(0);
    await goesOn(directory.path, agent);
  });

  test('a second SIGTERM ends the process at once', async () => {
    await using directory = await temporaryDirectory();
    const agent = newAgent();
    const { server, called } = await stuck(directory.path, agent, { SHUTDOWN_DEADLINE_SECONDS: '600' });
    void server.end('SIGTERM');
    await expect.poll(() => server.log(), SLOW).toContain('"msg":"stopping"');
    expect(await server.end('SIGTERM')).toBe('SIGTERM');
    expect(await called).toBe(false);
    await goesOn(directory.path, agent);
  });
});
