/** `logweir run` as the shell sees it: real signals, a real child, a server that goes away. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { registerRun } from '../../src/commands/run.js';
import { LogweirServer } from '../client/logweir-server.js';
import { TcpProxy } from '../client/tcp-proxy.js';
import { CommandRun, waitFor } from './command-run.js';

const EXECUTABLE = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isDone())) {
    await pause(10);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('logweir run, interrupted', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('at a second %s says what is stored and what is not, and leaves no child behind', async (name, code) => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    const script = "trap '' INT TERM; echo $$; sleep 2.5; echo more; while :; do sleep 0.1; done";
    const command = spawn(
      process.execPath,
      [EXECUTABLE, 'run', '--session', 's', '--server', proxy.address, '--', 'sh', '-c', script],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env['PATH'], NODE_ENV: 'production' } },
    );
    const said = text(command.stderr);
    await until(async () => (await server.stored('s')).length === 1);
    const pid = Number((await server.stored('s'))[0]?.content);
    // The first line's acknowledgement comes a second after it; then the second line is held up on its way.
    await pause(1_500);
    proxy.freeze();
    await pause(1_800);
    command.kill(name);
    await pause(200);
    expect(command.exitCode).toBeNull();
    command.kill(name);
    expect(await once(command, 'exit')).toEqual([code, null]);
    expect(await said).toBe('s: 1 line stored (seq 1), 1 line NOT confirmed as stored (interrupted), killed\n');
    await until(() => !isRunning(pid));
  });

  it('after the command has ended, ends at the first signal when the server is away', async () => {
    await using server = await LogweirServer.start();
    const go = join(server.logDir, 'go');
    const command = new CommandRun({ isTerminal: true });
    const running = command.run(registerRun, [
      ...['run', '--session', 's', '--server', server.address, '--', 'sh', '-c', `echo a; ${waitFor(go)}; seq 6`],
    ]);
    await until(async () => (await server.stored('s')).length === 1);
    await server.stop();
    await writeFile(go, '');
    const waiting = /s · exit 0 · server away, 6 waiting \(gives up in \d+ s, Ctrl-C: now\)/;
    await until(() => waiting.test(command.stderr.text));
    const interruptedAt = performance.now();
    command.interrupt('SIGINT');
    const outcome = await running;
    expect(performance.now() - interruptedAt).toBeLessThan(500);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr.split('\r\u001b[2K').at(-1)).toBe(
      's: 1 line stored (seq 1), 6 lines NOT confirmed as stored (interrupted while the server was away), exit 0\n',
    );
  });

  it('without a terminal says once that the server is away, and once that it is back', async () => {
    await using server = await LogweirServer.start();
    const [go, end] = [join(server.logDir, 'go'), join(server.logDir, 'end')];
    const command = new CommandRun();
    const running = command.run(registerRun, [
      ...['run', '--session', 's', '--server', server.address, '--'],
      ...['sh', '-c', `echo a; ${waitFor(go)}; echo b; ${waitFor(end)}`],
    ]);
    await until(async () => (await server.stored('s')).length === 1);
    await server.stop();
    await writeFile(go, '');
    await until(() => command.stderr.text.includes('away'));
    await server.listen();
    await until(() => command.stderr.text.includes('back'));
    await writeFile(end, '');
    const outcome = await running;
    expect(outcome.stderr).toBe(
      'logweir: the server is away, 1 waiting\n' +
        'logweir: the server is back, 2 lines stored\n' +
        's: 2 lines stored (seq 1–2), exit 0\n',
    );
  });

  it('counts a line that was cut into pieces once', async () => {
    await using server = await LogweirServer.start();
    const outcome = await new CommandRun().run(registerRun, [
      ...['run', '--session', 's', '--server', server.address, '--'],
      ...['sh', '-c', 'head -c 300000 /dev/zero | tr "\\0" x; echo; printf end'],
    ]);
    expect(outcome.stderr).toBe('s: 2 lines stored (seq 1–6), exit 0\n');
  });
});
