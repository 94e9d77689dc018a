import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerComplete } from '../../src/commands/complete.js';
import { registerRun } from '../../src/commands/run.js';
import { registerSend } from '../../src/commands/send.js';
import { LogweirServer } from '../client/logweir-server.js';
import { ReaderClient } from '../support/reader-client.js';
import { CommandRun, type Outcome, waitFor } from './command-run.js';

let server: LogweirServer;
let reader: ReaderClient;
let sessions = 0;

beforeAll(async () => {
  server = await LogweirServer.start();
  reader = new ReaderClient(server.address);
});
afterAll(async () => {
  reader[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

const newSession = (): string => `complete-${++sessions}`;

function complete(argv: readonly string[], command = new CommandRun()): Promise<Outcome> {
  return command.run(registerComplete, ['complete', ...argv, '--server', server.address]);
}

async function send(session: string, lines: number): Promise<void> {
  const command = new CommandRun();
  command.stdin.end('line\n'.repeat(lines));
  const outcome = await command.run(registerSend, ['send', '--session', session, '--server', server.address]);
  expect(outcome.code).toBe(0);
}

function run(session: string, script: string, options: readonly string[] = [], command = new CommandRun()) {
  const argv = ['run', '--session', session, '--server', server.address, ...options, '--', 'sh', '-c', script];
  return command.run(registerRun, argv);
}

describe('logweir complete', () => {
  it('completes a session as it was told, and says at which line', async () => {
    const session = newSession();
    await send(session, 1_200);
    const outcome = await complete([session, '--status', 'failed', '--exit-code', '-2']);
    expect(outcome).toMatchObject({ code: 0, stderr: `${session}: failed at seq 1,200, exit code -2\n` });
    expect(await reader.session(session)).toMatchObject({ status: 'failed', exit_code: -2, last_seq: 1_200 });
    expect((await complete([session, '--status', 'failed', '--exit-code', '-2'])).code).toBe(0);
    expect(await complete([session])).toMatchObject({
      code: 1,
      stderr: `logweir: ${session}: the session was completed at seq 1200 as "failed" with exit code -2\n`,
    });
  });

  it('is "completed", without an exit code, when nothing else is said', async () => {
    const session = newSession();
    await send(session, 1);
    expect((await complete([session])).stderr).toBe(`${session}: completed at seq 1\n`);
    const info = await reader.session(session);
    expect([info.status, 'exit_code' in info]).toEqual(['completed', false]);
  });

  it('makes visible what would act upon a terminal', async () => {
    const session = `${newSession()}\u001b[2J`;
    await send(session, 1);
    const outcome = await complete([session, '--status', 'a\u009bb']);
    expect(outcome.stderr).toBe(`${session.replace('\u001b', '\\e')}: a\\u{9b}b at seq 1\n`);
  });

  it.each([
    [['no-such-session'], 1, 'logweir: no-such-session: nothing is stored under this session_id\n'],
    [['s', '--exit-code', '1.5'], 2, /expected a whole number of 32 bits/],
    [['s', '--exit-code', '2147483648'], 2, /expected a whole number of 32 bits/],
    [['s', '--status', ''], 2, /a status has 1 to 256 bytes/],
    [['s', '--status', 'ü'.repeat(129)], 2, /a status has 1 to 256 bytes/],
    [['x'.repeat(1025)], 2, /a session id has 1 to 1024 bytes/],
  ])('says in one sentence what is wrong: %#', async (argv, code, said) => {
    const outcome = await complete(argv);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toMatch(said);
  });

  it('ends with 1 when there is no server', async () => {
    const argv = ['complete', 's', '--server', '127.0.0.1:1', '--connect-timeout', '0.2'];
    const outcome = await new CommandRun().run(registerComplete, argv);
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot reach logweir at 127.0.0.1:1') });
  });
});

describe('logweir run completes its session', () => {
  it.each([
    ['echo a', [], 'completed', 0],
    ['echo a; exit 3', [], 'failed', 3],
    ['echo a; kill -KILL $$', [], 'stopped', 137],
  ] as const)('of %s', async (script, options, status, exitCode) => {
    const session = newSession();
    const outcome = await run(session, script, options);
    expect(outcome).toMatchObject({ code: exitCode, stderr: `${session}: 1 line stored (seq 1), exit ${exitCode}\n` });
    expect(await reader.session(session)).toMatchObject({ status, exit_code: exitCode, last_seq: 1 });
  });

  it('as stopped when the command ended after it had been asked to', async () => {
    const session = newSession();
    const command = new CommandRun();
    const running = run(session, "trap 'echo end; exit 0' TERM; echo begin; while :; do sleep 0.05; done", [], command);
    await expect.poll(async () => (await server.stored(session)).length, { timeout: 30_000 }).toBe(1);
    command.interrupt('SIGTERM');
    expect((await running).stderr).toBe(`${session}: 2 lines stored (seq 1–2), exit 0\n`);
    expect(await reader.session(session)).toMatchObject({ status: 'stopped', exit_code: 0, last_seq: 2 });
  });

  it('not with --leave-open; the next run goes on in it and completes it', async () => {
    const session = newSession();
    await run(session, 'echo a', ['--leave-open']);
    expect((await reader.session(session)).status).toBe('active');
    await run(session, 'echo b; exit 1');
    expect(await reader.session(session)).toMatchObject({ status: 'failed', exit_code: 1, last_seq: 2 });
    await run(session, 'echo c');
    expect(await reader.session(session)).toMatchObject({ status: 'completed', exit_code: 0, last_seq: 3 });
  });

  it('has nothing to complete when a command said nothing, and says what it could not', async () => {
    const session = newSession();
    expect(await run(session, 'true')).toMatchObject({ code: 0, stderr: `${session}: 0 lines stored, exit 0\n` });
    await run(session, 'echo a; exit 4');
    expect(await run(session, 'true')).toMatchObject({
      code: 0,
      stderr:
        `${session}: 0 lines stored, exit 0\n` +
        `logweir: the session ${session} could not be completed: the session was completed at seq 1 as "failed" with exit code 4\n`,
    });
  });

  it('when the server was away at the end and came back', async () => {
    await using own = await LogweirServer.start();
    const command = new CommandRun();
    const [go, end] = [join(own.logDir, 'go'), join(own.logDir, 'end')];
    const script = `echo a; ${waitFor(go)}; echo b; ${waitFor(end)}; exit 2`;
    const argv = ['run', '--session', 's', '--server', own.address, '--', 'sh', '-c', script];
    const running = command.run(registerRun, argv);
    await expect.poll(async () => (await own.stored('s')).length, { timeout: 30_000 }).toBe(1);
    await own.stop();
    await writeFile(go, '');
    await expect.poll(() => command.stderr.text, { timeout: 30_000 }).toContain('away');
    await writeFile(end, '');
    await own.listen();
    expect((await running).code).toBe(2);
    using its = new ReaderClient(own.address);
    expect(await its.session('s')).toMatchObject({ status: 'failed', exit_code: 2, last_seq: 2 });
  });
});
