import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerRun } from '../../src/commands/run.js';
import { LogweirServer, type StoredFrame } from '../client/logweir-server.js';
import { TcpProxy } from '../client/tcp-proxy.js';
import { CommandRun, type Outcome, waitFor } from './command-run.js';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
let server: LogweirServer;
let sessions = 0;

beforeAll(async () => {
  server = await LogweirServer.start({ LOG_MAX_SIZE_BYTES: '400000' });
});
afterAll(() => server[Symbol.asyncDispose]());

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const newSession = () => `run-${++sessions}`;
const contentOf = (frames: readonly StoredFrame[], role: string) =>
  frames.map((frame) => (frame.role === role ? (frame.content ?? '') : '')).join('');

function logweirRun(session: string, command: readonly string[], options: readonly string[] = []): Promise<Outcome> {
  return new CommandRun().run(registerRun, [
    ...['run', '--session', session, '--server', server.address, ...options, '--'],
    ...command,
  ]);
}

async function runAndRead(command: readonly string[], options: readonly string[] = []) {
  const session = newSession();
  const outcome = await logweirRun(session, command, options);
  return { session, outcome, frames: await server.stored(session) };
}

describe('logweir run', () => {
  it('stores each line with its terminator, stdout and stderr by role', async () => {
    const script = "printf 'a\\nb\\r\\nlast'; printf 'oops\\n' >&2";
    const { session, outcome, frames } = await runAndRead(['sh', '-c', script]);
    expect(outcome.code).toBe(0);
    expect(outcome.stdout.toString()).toBe('');
    expect(outcome.stderr).toBe(`${session}: 4 lines stored (seq 1–4), exit 0\n`);
    expect(frames.filter((frame) => frame.role === 'stdout').map((frame) => frame.content)).toEqual([
      'a\n',
      'b\r\n',
      'last',
    ]);
    expect(contentOf(frames, 'stderr')).toBe('oops\n');
  });

  it('stores exactly what git log -p prints, byte for byte, over several segments', async () => {
    const git = ['git', '-C', REPOSITORY, 'log', '-p', '-U20', '--no-color'];
    const printed = execFileSync('git', git.slice(1), { maxBuffer: 1 << 30 });
    const { outcome, frames } = await runAndRead(git);
    expect(outcome.code).toBe(0);
    expect(printed.toString().split('\n').length).toBeGreaterThan(1_000);
    expect(Buffer.from(contentOf(frames, 'stdout')).equals(printed)).toBe(true);
    expect(frames.map((frame) => frame.seq)).toEqual(frames.map((_, index) => index + 1));
  });

  it('cuts a line of 10 MB into pieces that make it up again', async () => {
    const script = "process.stdout.write('é'.repeat(5_000_000) + '\\nnext\\n')";
    const { outcome, frames } = await runAndRead([process.execPath, '-e', script]);
    expect(outcome.code).toBe(0);
    expect(contentOf(frames, 'stdout')).toBe(`${'é'.repeat(5_000_000)}\nnext\n`);
    expect(Math.max(...frames.map((frame) => Buffer.byteLength(frame.content ?? '')))).toBeLessThanOrEqual(64 * 1024);
  });

  it('stores bytes that are not UTF-8 as U+FFFD, and all the others as they are', async () => {
    const bytes = Buffer.from([
      0x00, 0x41, 0xff, 0xc3, 0x28, 0x0a, 0xe2, 0x82, 0xac, 0x1b, 0x5b, 0x30, 0x6d, 0x0a, 0xf0,
    ]);
    const script = `process.stdout.write(Buffer.from('${bytes.toString('hex')}', 'hex'))`;
    const { frames } = await runAndRead([process.execPath, '-e', script]);
    expect(contentOf(frames, 'stdout')).toBe(bytes.toString());
    expect(frames.map((frame) => frame.content)).toEqual(['\u0000A\ufffd\ufffd(\n', '€\u001b[0m\n', '\ufffd']);
  });

  it('sends an unfinished line after a silence, a half character only once it is whole', async () => {
    const script =
      "const w = (b) => process.stdout.write(b); w('name? '); setTimeout(() => w(Buffer.from([0xe2, 0x82])), 500);" +
      "setTimeout(() => w(Buffer.from([0xac])), 1000); setTimeout(() => w('ok\\n'), 1500)";
    const { frames } = await runAndRead([process.execPath, '-e', script]);
    expect(frames.map((frame) => frame.content)).toEqual(['name? ', '€', 'ok\n']);
  });

  it('gives frames the user and the roles it is told, and the time they were read', async () => {
    const before = Date.now();
    const { frames } = await runAndRead(
      ['sh', '-c', 'echo out; echo err >&2'],
      ['--user', 'u1', '--role-stdout', 'assistant', '--role-stderr', 'tool'],
    );
    expect(frames.map((frame) => [frame.user_id, frame.role, frame.content]).toSorted()).toEqual([
      ['u1', 'assistant', 'out\n'],
      ['u1', 'tool', 'err\n'],
    ]);
    const times = frames.map((frame) => Date.parse(frame.time));
    expect(Math.min(...times)).toBeGreaterThanOrEqual(before - 1);
    expect(Math.max(...times)).toBeLessThanOrEqual(Date.now());
  });

  it('passes the output through with --tee', async () => {
    const { session, outcome } = await runAndRead(['sh', '-c', 'printf "a\\nb"; printf c >&2'], ['--tee']);
    expect(outcome.stdout.toString()).toBe('a\nb');
    expect(outcome.stderr.replace(`${session}: 3 lines stored (seq 1–3), exit 0\n`, '')).toBe('c');
  });

  it('goes on when nobody reads what it passes through any more', async () => {
    const session = newSession();
    const command = new CommandRun();
    command.stdout.once('data', () => command.stdout.destroy(new Error('EPIPE')));
    const outcome = await command.run(registerRun, [
      ...[
        'run',
        '--session',
        session,
        '--server',
        server.address,
        '--tee',
        '--',
        'sh',
        '-c',
        'echo a; sleep 0.3; seq 50000',
      ],
    ]);
    expect(outcome.code).toBe(0);
    expect(outcome.stdout.toString()).toBe('a\n');
    expect(outcome.stderr).toBe(
      'logweir: nobody reads the output any more; the command goes on and is stored\n' +
        `${session}: 50,001 lines stored (seq 1–50001), exit 0\n`,
    );
    expect(await server.stored(session)).toHaveLength(50_001);
  });

  it.each([
    [['sh', '-c', 'exit 7'], 7],
    [['sh', '-c', 'kill -TERM $$'], 143],
    [['sh', '-c', 'kill -KILL $$'], 137],
    [['true'], 0],
  ])('passes on how %j ends: %i', async (command, code) => {
    const session = newSession();
    const outcome = await logweirRun(session, command);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toBe(`${session}: 0 lines stored, exit ${code}\n`);
  });

  it('says like a shell that a command is not there, or cannot be executed', async () => {
    const absent = await logweirRun(newSession(), ['no-such-command-anywhere']);
    expect([absent.code, absent.stderr]).toEqual([
      127,
      'logweir: cannot run no-such-command-anywhere: command not found\n',
    ]);
    const forbidden = await logweirRun(newSession(), ['/etc/passwd']);
    expect([forbidden.code, forbidden.stderr]).toEqual([126, 'logweir: cannot run /etc/passwd: permission denied\n']);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('forwards %s and stores what the command says to it', async (signalName) => {
    const session = newSession();
    const script = `trap 'echo bye; exit 5' ${signalName.slice(3)}; echo ready; while :; do sleep 0.05; done`;
    const command = new CommandRun();
    const running = command.run(registerRun, [
      ...['run', '--session', session, '--server', server.address, '--', 'sh', '-c', script],
    ]);
    while ((await server.stored(session)).length === 0) {
      await pause(20);
    }
    command.interrupt(signalName);
    expect((await running).code).toBe(5);
    expect(contentOf(await server.stored(session), 'stdout')).toBe('ready\nbye\n');
  });

  it('does not run the command when the server cannot be reached', async () => {
    const outcome = await new CommandRun().run(registerRun, [
      ...['run', '--session', 'x', '--server', '127.0.0.1:9', '--connect-timeout', '0.3', '--tee', '--', 'echo', 'ran'],
    ]);
    expect(outcome).toEqual({
      code: 1,
      stdout: Buffer.alloc(0),
      stderr: 'logweir: cannot reach logweir at 127.0.0.1:9: is `logweir serve` running?\n',
    });
  });

  it.each([
    [['run', '--', 'true'], '--session'],
    [['run', '--session', '', '--', 'true'], 'a session id has 1 to 1024 bytes'],
    [['run', '--session', 's', '--server', 'nowhere', '--', 'true'], 'HOST:PORT'],
    [['run', '--session', 's', '--server', 'foo:99999', '--', 'true'], 'HOST:PORT'],
    [
      ['run', '--session', 's', 'ls', '-la'],
      "logweir: unknown option '-la'; if it is the command's, put -- before the command\n",
    ],
    [['run', '--session', 's'], "missing required argument 'command'"],
  ])('is wrong usage: %j', async (argv, said) => {
    const outcome = await new CommandRun().run(registerRun, argv);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain(said);
  });

  it('goes on over broken connections, and every line is stored once', async () => {
    await using proxy = await TcpProxy.start(server.port);
    const session = newSession();
    const script = 'i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.02; done';
    const cutting = setInterval(() => proxy.cut(), 150);
    const outcome = await new CommandRun().run(registerRun, [
      ...['run', '--session', session, '--server', proxy.address, '--', 'sh', '-c', script],
    ]);
    clearInterval(cutting);
    expect(proxy.connections).toBeGreaterThan(3);
    expect(outcome.code).toBe(0);
    const expected = Array.from({ length: 60 }, (_, i) => `line ${i}\n`);
    expect((await server.stored(session)).map((frame) => frame.content)).toEqual(expected);
  });

  it('blocks the command while the server takes nothing, instead of holding its output', async () => {
    await using proxy = await TcpProxy.start(server.port);
    const session = newSession();
    const script = "yes '" + 'x'.repeat(999) + "' | head -n 20000";
    const command = new CommandRun();
    const running = command.run(
      (program, io) => registerRun(program, io, { pendingBytesMax: 1024 * 1024 }),
      ['run', '--session', session, '--server', proxy.address, '--tee', '--', 'sh', '-c', script],
    );
    while (command.stdout.bytes === 0) {
      await pause(1);
    }
    proxy.freeze();
    let teed = -1;
    while (teed !== command.stdout.bytes) {
      teed = command.stdout.bytes;
      await pause(500);
    }
    expect(teed).toBeLessThan(15_000_000);
    proxy.thaw();
    expect((await running).code).toBe(0);
    expect(command.stdout.bytes).toBe(20_000_000);
    expect((await server.stored(session)).length).toBe(20_000);
  });

  it('lets the command run to its end without the server, and says exactly how many lines are not stored', async () => {
    await using own = await LogweirServer.start();
    const command = new CommandRun();
    const go = join(own.logDir, 'go');
    const script = `echo before; ${waitFor(go)}; i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done`;
    const running = command.run(
      (program, io) => registerRun(program, io, { pendingBytesMax: 25_000, giveUpMs: 300 }),
      ['run', '--session', 's', '--server', own.address, '--tee', '--', 'sh', '-c', script],
    );
    while ((await own.stored('s')).length === 0) {
      await pause(10);
    }
    await own.stop();
    await writeFile(go, '');
    const outcome = await running;
    expect(outcome.code).toBe(1);
    expect(outcome.stdout.toString()).toMatch(/^before\nline 0\n(line \d+\n)*line 499\n$/);
    const said =
      /^logweir: the server is away, \d+ waiting\ns: (\d+) lines? stored \(seq .*\), (\d+) lines NOT confirmed as stored \(.*\), exit 0\n$/;
    const [, stored, unconfirmed] = said.exec(outcome.stderr) ?? [];
    await own.listen();
    expect(Number(stored)).toBe((await own.stored('s')).length);
    expect(Number(stored) + Number(unconfirmed)).toBe(501);
  });

  it("passes on the command's own code when lines are not stored either", async () => {
    await using own = await LogweirServer.start();
    const running = new CommandRun().run(
      (program, io) => registerRun(program, io, { giveUpMs: 300 }),
      ['run', '--session', 's', '--server', own.address, '--', 'sh', '-c', 'sleep 0.5; echo x; exit 9'],
    );
    await pause(300);
    await own.stop();
    expect((await running).code).toBe(9);
  });

  it('shows a status line on a terminal, and one sentence in its place at the end', async () => {
    const command = new CommandRun({ isTerminal: true, columns: 50 });
    const outcome = await command.run(registerRun, [
      ...[
        'run',
        '--session',
        'tty\u001b[2J',
        '--server',
        server.address,
        '--',
        'sh',
        '-c',
        'echo one; sleep 0.5; echo two',
      ],
    ]);
    const drawn = outcome.stderr.split('\r\u001b[2K');
    expect(drawn[1]).toBe('tty\\e[2J · 0s · 1 line · 4 B · running');
    expect(drawn.length).toBeLessThan(10);
    expect(drawn.at(-1)).toBe('tty\\e[2J: 2 lines stored (seq 1–2), exit 0\n');
    expect(Math.max(...drawn.slice(0, -1).map((line) => line.length))).toBeLessThan(50);
  });
});
