/** `logweir monitor` as a person has it: in a pseudo-terminal, which util-linux's script(1) makes. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { completeSession } from '../../src/client/complete-session.js';
import { LogConnection } from '../../src/client/log-connection.js';
import { registerMonitor } from '../../src/commands/monitor.js';
import { LogweirServer } from '../client/logweir-server.js';
import * as wire from '../frame/wire-writer.js';
import { encodeFrame } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { CommandRun } from './command-run.js';

const EXECUTABLE = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));
const WAITING = { timeout: 30_000, interval: 5 };

class Terminal implements AsyncDisposable {
  text = '';
  readonly #script: ChildProcessWithoutNullStreams;

  /** @param env beside the terminal's */
  constructor(command: string, env: Record<string, string>) {
    this.#script = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env['PATH'], TERM: 'xterm', SHELL: '/bin/sh', NODE_ENV: 'production', ...env },
    });
    this.#script.stdout.on('data', (bytes: Buffer) => {
      this.text += bytes.toString();
    });
  }

  type(keys: string): void {
    this.#script.stdin.write(keys);
  }

  shows(text: string | RegExp): Promise<void> {
    return expect.poll(() => this.text, WAITING).toMatch(text);
  }

  /** What it showed, without colours, when the command has ended. */
  async ended(): Promise<string> {
    if (this.#script.exitCode === null) {
      await once(this.#script, 'close');
    }
    // oxlint-disable-next-line no-control-regex -- that is what colours are
    return this.text.replaceAll(/\u001b\[\d*m/g, '').replaceAll('\r\n', '\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#script.kill('SIGKILL');
    await this.ended();
  }
}

const monitor = (options: string): string =>
  `'${process.execPath}' '${EXECUTABLE}' monitor ${options}; echo "exit $?"; stty -a | tr ' ;' '\\n\\n' | grep -x -e '-\\?icanon' -e '-\\?echo'`;

async function write(server: LogweirServer, ...contents: string[]): Promise<void> {
  using writer = new LogClient(server.address);
  const time = { seconds: 1_763_226_890 };
  await writer.write(
    contents.map((content) => ({ session_id: 's', user_id: 'anna\u0007', role: 'assistant', content, time })),
  );
}

async function complete(server: LogweirServer): Promise<void> {
  const connection = await LogConnection.open(server.address);
  const patience = { patienceMs: 30_000, signal: new AbortController().signal };
  await completeSession(connection, { sessionId: 's', status: 'failed', exitCode: 3 }, patience);
  connection.close();
}

const RULE = '='.repeat(80);

describe('logweir monitor', () => {
  it('shows the session and its user, recent and live lines, and ends at a key with the terminal as it was', async () => {
    await using server = await LogweirServer.start();
    await write(server, 'one', 'two', 'three\u001b]0;title\u0007');
    await using terminal = new Terminal(`stty cols 80; ${monitor('s -n 2')}`, { LOGWEIR_SERVER: server.address });
    await terminal.shows('press any key to exit');
    await write(server, 'four');
    await terminal.shows('four');
    terminal.type('q');
    expect(await terminal.ended()).toBe(
      [
        RULE,
        '  Session  s',
        '  User     anna\\u{7}',
        `  Server   ${server.address}`,
        RULE,
        '[2025-11-15 17:14:50] assistant two',
        '[2025-11-15 17:14:50] assistant three\\e]0;title\\u{7}',
        '--- live: press any key to exit ---',
        '[2025-11-15 17:14:50] assistant four',
        RULE,
        '  s: left behind line 4: the session goes on',
        RULE,
        'exit 0',
        'icanon',
        'echo',
        '',
      ].join('\n'),
    );
    await expect.poll(() => server.openReaders(), WAITING).toBe(0);
  });

  it('ends at Ctrl-C with 130, and the terminal as it was', async () => {
    await using server = await LogweirServer.start();
    await write(server, 'one');
    await using terminal = new Terminal(monitor('s'), { LOGWEIR_SERVER: server.address });
    await terminal.shows('press any key to exit');
    terminal.type('\u0003');
    expect((await terminal.ended()).split('\n').slice(-4)).toEqual(['exit 130', 'icanon', 'echo', '']);
  });

  it('has the same colour for a role each time, and none with NO_COLOR', async () => {
    await using server = await LogweirServer.start();
    await write(server, 'one', 'two');
    await using colored = new Terminal(monitor('s'), { LOGWEIR_SERVER: server.address });
    await colored.shows('press any key');
    colored.type(' ');
    await colored.ended();
    // oxlint-disable-next-line no-control-regex -- that is what colours are
    const roles = [...colored.text.matchAll(/(\u001b\[\d+m)assistant/g)].map(([, color]) => color);
    expect(roles).toHaveLength(2);
    expect(new Set(roles).size).toBe(1);
    await using plain = new Terminal(monitor('s'), { LOGWEIR_SERVER: server.address, NO_COLOR: '1' });
    await plain.shows('press any key');
    plain.type(' ');
    await plain.ended();
    expect(plain.text).not.toContain('\u001b');
  });

  it('has colours for levels: errors are red, warnings yellow, what helps with debugging dim, and others plain', async () => {
    await using server = await LogweirServer.start();
    using writer = new LogClient(server.address);
    const levels = ['error', 'Fatal', 'WARNING', 'debug', 'trace', 'info', 'notice'];
    await writer.write(
      levels.map((level) =>
        wire.join(
          encodeFrame({ session_id: 's', content: `of ${level}` }),
          wire.delimited(8, wire.entry('level', wire.value.string(level))),
        ),
      ),
    );
    await using terminal = new Terminal(monitor('s'), { LOGWEIR_SERVER: server.address });
    await terminal.shows('press any key');
    terminal.type(' ');
    await terminal.ended();
    // oxlint-disable-next-line no-control-regex -- that is what colours are
    const contents = [...terminal.text.matchAll(/\] \u001b\[22m(.*of .*)\r\n/g)].map(([, content]) => content);
    expect(contents).toEqual([
      '\u001b[31mof error\u001b[39m',
      '\u001b[31mof Fatal\u001b[39m',
      '\u001b[33mof WARNING\u001b[39m',
      '\u001b[2mof debug\u001b[22m',
      '\u001b[2mof trace\u001b[22m',
      'of info',
      'of notice',
    ]);
  });

  it('ends by itself when the session is completed, and says how that went', async () => {
    await using server = await LogweirServer.start();
    await write(server, 'one');
    await using terminal = new Terminal(`stty cols 80; ${monitor('s')}`, { LOGWEIR_SERVER: server.address });
    await terminal.shows('press any key to exit');
    await complete(server);
    expect((await terminal.ended()).split('\n').slice(-7)).toEqual([
      RULE,
      '  s: failed, exit code 3, last line 1',
      RULE,
      'exit 0',
      'icanon',
      'echo',
      '',
    ]);
  });

  it('shows a session that is over as it is, and waits for no key', async () => {
    await using server = await LogweirServer.start();
    await write(server, 'one');
    await complete(server);
    await using terminal = new Terminal(`stty cols 80; ${monitor('s')}`, { LOGWEIR_SERVER: server.address });
    expect((await terminal.ended()).split('\n').slice(4)).toEqual([
      RULE,
      '[2025-11-15 17:14:50] assistant one',
      RULE,
      '  s: failed, exit code 3, last line 1',
      RULE,
      'exit 0',
      'icanon',
      'echo',
      '',
    ]);
  });

  it('where input is no terminal, leaves it alone and ends at a signal', async () => {
    await using server = await LogweirServer.start();
    await write(server, 'one');
    const run = new CommandRun();
    run.stdin.end('keys');
    const ended = run.run(registerMonitor, ['monitor', 's', '--server', server.address]);
    await expect.poll(() => run.stdout.text, WAITING).toContain('--- live: press Ctrl-C to exit ---');
    await write(server, 'two');
    await expect.poll(() => run.stdout.text, WAITING).toContain('assistant two\n');
    run.interrupt('SIGTERM');
    const outcome = await ended;
    expect(outcome.code).toBe(143);
    expect(outcome.stdout.toString()).toContain('s: left behind line 2: the session goes on');
    expect(outcome.stderr).toBe('');
  });

  it.each<[string[], number, string]>([
    [['nobody'], 1, 'logweir: there is no session "nobody"\n'],
    [['s', '--grep', '['], 2, 'logweir: --grep is no regular expression'],
    [['s', '-n', 'x'], 2, "logweir: option '-n, --lines <lines>' argument 'x' is invalid."],
    [['s', '--server', '127.0.0.1:1', '--connect-timeout', '0.2'], 1, 'logweir: cannot reach logweir at 127.0.0.1:1'],
  ])('%j says in one sentence what is wrong', async (options, code, said) => {
    await using server = await LogweirServer.start();
    await write(server, 'one');
    const outcome = await new CommandRun().run(registerMonitor, ['monitor', ...options], {
      LOGWEIR_SERVER: server.address,
    });
    expect([outcome.code, outcome.stderr.slice(0, said.length)]).toEqual([code, said]);
  });
});
