import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { completeSession } from '../../src/client/complete-session.js';
import { LogConnection } from '../../src/client/log-connection.js';
import { registerCat } from '../../src/commands/cat.js';
import { registerLs } from '../../src/commands/ls.js';
import { registerTail } from '../../src/commands/tail.js';
import { LogweirServer } from '../client/logweir-server.js';
import * as wire from '../frame/wire-writer.js';
import { encodeFrame } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { seqs } from '../support/seqs.js';
import { CommandRun, type Outcome, withoutColors } from './command-run.js';

const EXECUTABLE = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));
const WAITING = { timeout: 30_000, interval: 5 };
const RE2 = 'RE2 syntax, without look-around and \\1';
const REGISTER = { tail: registerTail, cat: registerCat, ls: registerLs };
const numbered = (from: number, to: number): string =>
  seqs(from, to)
    .map((seq) => `${seq}\n`)
    .join('');

function logweir(argv: readonly [keyof typeof REGISTER, ...string[]], run = new CommandRun()): Promise<Outcome> {
  return run.run(REGISTER[argv[0]], argv);
}

interface Line {
  content: string;
  role?: string;
  level?: string;
  user?: string;
}

/** Lines a second apart, from 2025-11-15T17:14:50Z on. */
async function write(server: LogweirServer, sessionId: string, lines: readonly Line[]): Promise<void> {
  using writer = new LogClient(server.address);
  await writer.write(
    lines.map(({ content, role = '', level, user = '' }, index) => {
      const time = { seconds: 1_763_226_890 + index, nanos: 0 };
      const frame = encodeFrame({ session_id: sessionId, content, role, user_id: user, time });
      const metadata = level === undefined ? [] : [wire.delimited(8, wire.entry('level', wire.value.string(level)))];
      return wire.join(frame, ...metadata);
    }),
  );
}

async function complete(
  server: LogweirServer,
  sessionId: string,
  status: string,
  exitCode: number | null,
): Promise<void> {
  const connection = await LogConnection.open(server.address);
  const patience = { patienceMs: 30_000, signal: new AbortController().signal };
  await completeSession(connection, { sessionId, status, exitCode }, patience);
  connection.close();
}

const numbers = (from: number, to: number): Line[] => seqs(from, to).map((seq) => ({ content: `${seq}\n` }));

describe('logweir tail', () => {
  it.each<[string[], string]>([
    [[], numbered(11, 20)],
    [['-n', '3'], numbered(18, 20)],
    [['--tail', '2'], numbered(19, 20)],
    [['-n', '0'], ''],
    [['-n', '100'], numbered(1, 20)],
    [['--after-seq', '17'], numbered(18, 20)],
    [['--after-seq', '20'], ''],
    [['--grep', '^1.$'], numbered(10, 19)],
    [['--grep', '5', '-n', '10'], numbered(15, 15)],
    [['--since', '2025-11-15T17:15:07Z'], numbered(18, 20)],
    [['--until', '2025-11-15T18:14:52+01:00'], numbered(1, 2)],
  ])('%j prints these lines', async (options, expected) => {
    await using server = await LogweirServer.start({ LOG_MAX_SIZE_BYTES: '600' });
    await write(server, 's', numbers(1, 20));
    const outcome = await logweir(['tail', 's', '-o', 'raw', '--server', server.address, ...options]);
    expect([outcome.code, outcome.stderr, outcome.stdout.toString()]).toEqual([0, '', expected]);
    await server.stop();
    const local = await logweir(['tail', 's', '-o', 'raw', '--dir', server.logDir, ...options]);
    expect([local.code, local.stderr, local.stdout.toString()]).toEqual([0, '', expected]);
  });

  it('filters by level, role and user', async () => {
    await using server = await LogweirServer.start();
    await write(server, 's', [
      { content: 'a', role: 'tool', level: 'INFO', user: 'u1' },
      { content: 'b', role: 'tool', level: 'Error', user: 'u2' },
      { content: 'c', role: 'assistant', level: 'warn', user: 'u1' },
      { content: 'd' },
    ]);
    const printed = async (...options: string[]): Promise<string> =>
      (await logweir(['tail', 's', '-o', 'raw', '--server', server.address, ...options])).stdout.toString();
    expect(await printed('--level', 'error,warn')).toBe('bc');
    expect(await printed('--role', 'tool')).toBe('ab');
    expect(await printed('--role', 'tool', '--role', 'assistant', '--user', 'u1')).toBe('ac');
  });

  it('--json prints the stored lines, byte for byte', async () => {
    await using server = await LogweirServer.start();
    await write(server, 's', [
      { content: 'first' },
      { content: '"é\u0085\u001b[31m\n', role: 'tool', level: 'INFO', user: 'u1' },
      { content: '' },
    ]);
    const stored = [
      '{"seq":2,"time":"2025-11-15T17:14:51Z","session_id":"s","user_id":"u1","role":"tool","content":"\\"é\\u0085\\u001b[31m\\n","metadata":{"level":"INFO"}}\n',
      '{"seq":3,"time":"2025-11-15T17:14:52Z","session_id":"s"}\n',
    ].join('');
    for (const place of [
      ['--server', server.address],
      ['--dir', server.logDir],
    ]) {
      for (const format of [['--json'], ['-o', 'json']]) {
        const { code, stdout, stderr } = await logweir(['tail', 's', '-n', '2', ...format, ...place]);
        expect([code, stdout.toString(), stderr]).toEqual([0, stored, '']);
      }
    }
    const active = join(server.logDir, 'active');
    const files = await Promise.all((await readdir(active)).map((name) => readFile(join(active, name), 'utf8')));
    expect(files.join('')).toContain(stored);
  });

  it('takes a duration for --since', async () => {
    await using server = await LogweirServer.start();
    using writer = new LogClient(server.address);
    const seconds = Math.floor(Date.now() / 1000);
    await writer.write([
      { session_id: 's', content: 'old', time: { seconds: seconds - 5_500 } },
      { session_id: 's', content: 'new', time: { seconds: seconds - 5_300 } },
    ]);
    const outcome = await logweir(['tail', 's', '-o', 'raw', '--server', server.address, '--since', '1h30m']);
    expect(outcome.stdout.toString()).toBe('new');
  });

  it('follows over a restart of the server, says so, and ends at Ctrl-C with 130', async () => {
    await using server = await LogweirServer.start();
    await write(server, 's', numbers(1, 3));
    const run = new CommandRun();
    const ended = logweir(['tail', 's', '-f', '-n', '2', '-o', 'raw', '--server', server.address], run);
    await expect.poll(() => run.stdout.text, WAITING).toBe(numbered(2, 3));
    await server.stop();
    await expect.poll(() => run.stderr.text, WAITING).toContain('trying again');
    await server.listen();
    await write(server, 's', numbers(4, 5));
    await expect.poll(() => run.stdout.text, WAITING).toBe(numbered(2, 5));
    run.interrupt('SIGINT');
    const outcome = await ended;
    expect(outcome.code).toBe(130);
    expect(outcome.stderr.split('\n')).toEqual([
      expect.stringMatching(
        /^logweir: (the server at \S+ says: the server is shutting down|the connection .* broke); trying again$/,
      ),
      `logweir: connected to ${server.address} again`,
      '',
    ]);
    await expect.poll(() => server.openReaders(), WAITING).toBe(0);
  });

  it.each([
    ['failed', 2, 'failed, exit code 2, last line 3'],
    ['stopped\u001b', null, 'stopped\\e, last line 3'],
  ])('ends with 0 when the session is completed as %j, and says how', async (status, exitCode, said) => {
    await using server = await LogweirServer.start();
    await write(server, 's', numbers(1, 2));
    const run = new CommandRun();
    const ended = logweir(['tail', 's', '-f', '-o', 'raw', '--server', server.address], run);
    await expect.poll(() => run.stdout.text, WAITING).toBe(numbered(1, 2));
    await write(server, 's', numbers(3, 3));
    await complete(server, 's', status, exitCode);
    const outcome = await ended;
    expect([outcome.code, outcome.stderr]).toEqual([0, `--- s: ${said} ---\n`]);
    expect(outcome.stdout.toString()).toBe(numbered(1, 3));
    // Who comes later hears it, too; and the listing says it both ways.
    const later = await logweir(['tail', 's', '-f', '-o', 'raw', '--server', server.address]);
    expect([later.stdout.toString(), later.stderr]).toEqual([numbered(1, 3), `--- s: ${said} ---\n`]);
    await expect.poll(() => readdir(join(server.logDir, 'sealing', 's')).catch(() => []), WAITING).toEqual([]);
    const remote = await logweir(['ls', '--server', server.address]);
    const local = await logweir(['ls', '--dir', server.logDir]);
    expect(remote.stdout.toString()).toBe(local.stdout.toString());
  });

  it('makes control characters visible on a terminal, and a frame can not pass for another', async () => {
    await using server = await LogweirServer.start();
    await write(server, 's', [{ content: 'a\u001b[2J\n[2025-11-15 17:14:50] forged', role: 'r\u0007' }]);
    const outcome = await logweir(['tail', 's', '--server', server.address], new CommandRun({ isTerminal: true }));
    expect(withoutColors(outcome.stdout)).toBe(
      '[2025-11-15 17:14:50] r\\u{7} a\\e[2J\n                      [2025-11-15 17:14:50] forged\n',
    );
  });

  it('marks lines that are gone on stderr, where they stood', async () => {
    await using server = await LogweirServer.start({ LOG_MAX_SIZE_BYTES: '1000' });
    await write(server, 's', numbers(1, 40));
    await expect.poll(() => readdir(join(server.logDir, 'sealing', 's')).catch(() => []), WAITING).toEqual([]);
    const finished = join(server.logDir, 'sessions', 's');
    const [, second = ''] = (await readdir(finished)).filter((name) => name.endsWith('.gz')).toSorted();
    await rm(join(finished, second));
    const [, first = 0, last = 0] = (/^0*(\d+)-0*(\d+)_/.exec(second) ?? []).map(Number);
    for (const place of [
      ['--server', server.address],
      ['--dir', server.logDir],
    ]) {
      const outcome = await logweir(['tail', 's', '-o', 'raw', '-n', '100', ...place]);
      expect(outcome.stdout.toString()).toBe(numbered(1, first - 1) + numbered(last + 1, 40));
      expect([outcome.code, outcome.stderr]).toEqual([0, `logweir: lines ${first} to ${last} are gone\n`]);
    }
  });

  it.each<[string[], number, string]>([
    [['nobody'], 1, 'logweir: there is no session "nobody"\n'],
    [['s', '--server', '127.0.0.1:1', '--connect-timeout', '0.2'], 1, 'logweir: cannot reach logweir at 127.0.0.1:1'],
    [['s', '--grep', '('], 2, `logweir: --grep is no regular expression (${RE2}): missing closing ): \`(\`\n`],
    [['s', '--grep', 'x'.repeat(513)], 2, 'logweir: --grep is longer than 512 characters\n'],
    [
      ['s', '--grep', ''],
      2,
      "logweir: option '--grep <pattern>' argument '' is invalid. expected a regular expression.",
    ],
    [['s', '--level', 'a,,b'], 2, "logweir: option '--level <levels>' argument 'a,,b' is invalid."],
    [['s', '--since', 'noon'], 2, "logweir: option '--since <time>' argument 'noon' is invalid. expected a duration"],
    [['s', '--since', '2026-02-30T00:00:00Z'], 2, "logweir: option '--since <time>' argument"],
    [['s', '--after-seq', '-1'], 2, "logweir: option '--after-seq <seq>' argument '-1' is invalid."],
    [['s', '-n', 'all'], 2, "logweir: option '-n, --lines <lines>' argument 'all' is invalid."],
    [['s', '-n', '4294967296'], 2, "logweir: option '-n, --lines <lines>' argument '4294967296' is invalid."],
    [['s', '-n', '1', '--after-seq', '1'], 2, "logweir: option '-n, --lines <lines>' cannot be used with"],
    [['s', '--json', '-o', 'raw'], 2, "logweir: option '--json' cannot be used with option '-o, --output <format>'"],
    [['s', '-o', 'xml'], 2, "logweir: option '-o, --output <format>' argument 'xml' is invalid."],
    [['s', '--dir', '.', '--server', 'a:1'], 2, "logweir: option '--dir <directory>' cannot be used with"],
    [['s', '-f', '--dir', '.'], 2, 'logweir: --follow needs a server'],
    [['s', '--server', 'nonsense'], 2, "logweir: option '--server <host:port>' argument 'nonsense' is invalid."],
    [[], 2, "logweir: missing required argument 'id'"],
  ])('%j says in one sentence what is wrong', async (options, code, said) => {
    await using server = await LogweirServer.start();
    await write(server, 's', numbers(1, 1));
    const outcome = await new CommandRun().run(registerTail, ['tail', ...options], { LOGWEIR_SERVER: server.address });
    expect([outcome.code, outcome.stderr.slice(0, said.length)]).toEqual([code, said]);
    expect(outcome.stdout.toString()).toBe('');
  });

  it('ends quietly with 0 when its output is not read on, and with 130 at Ctrl-C', async () => {
    await using server = await LogweirServer.start();
    await write(server, 's', numbers(1, 20));
    const env = { PATH: process.env['PATH'], NODE_ENV: 'production', LOGWEIR_SERVER: server.address };
    const shell = spawn(
      'bash',
      [
        '--norc',
        '-c',
        `"$0" "$1" tail s -f -o raw | sed -n '1p;1q'; echo "\${PIPESTATUS[0]}"`,
        process.execPath,
        EXECUTABLE,
      ],
      { env },
    );
    let printed = '';
    let said = '';
    shell.stdout.on('data', (text: Buffer) => {
      printed += text.toString();
    });
    shell.stderr.on('data', (text: Buffer) => {
      said += text.toString();
    });
    await expect.poll(() => printed, WAITING).toBe('11\n');
    // It hears of it when it has something to say.
    for (let seq = 21; shell.exitCode === null; seq++) {
      await write(server, 's', numbers(seq, seq));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await expect.poll(() => [printed, said], WAITING).toEqual(['11\n0\n', '']);

    const command = spawn(process.execPath, [EXECUTABLE, 'tail', 's', '-f', '-n', '1'], { env });
    await once(command.stdout, 'data');
    command.kill('SIGINT');
    expect(await once(command, 'exit')).toEqual([130, null]);
  });
});

describe('logweir cat and ls', () => {
  it.each<[string[]]>([
    [[]],
    [['-o', 'text']],
    [['-o', 'raw', '--after-seq', '500']],
    [['--tail', '7']],
    [['--grep', '99', '--level', 'info']],
    [['--since', '2025-11-15T17:20:00Z', '--until', '2025-11-15T17:21:00Z', '-o', 'text']],
  ])('cat %j prints the same from a server as from its LOG_DIR', async (options) => {
    await using server = await LogweirServer.start({ LOG_MAX_SIZE_BYTES: '20000' });
    await write(
      server,
      's',
      seqs(1, 1000).map((seq) => ({
        content: `${seq} é"\u0085\n`,
        role: 'r',
        level: seq % 2 === 0 ? 'info' : 'debug',
      })),
    );
    const remote = await logweir(['cat', 's', '--server', server.address, ...options]);
    const local = await logweir(['cat', 's', '--dir', server.logDir, ...options]);
    expect(remote.stdout).toEqual(local.stdout);
    expect(local.stdout.length).toBeGreaterThan(500);
    expect([remote.code, remote.stderr, local.code, local.stderr]).toEqual([0, '', 0, '']);
  });

  it('ls prints the same from a server as from its LOG_DIR', async () => {
    await using server = await LogweirServer.start();
    for (const id of ['b-1', 'b-2', 'a/ä', 'x'.repeat(250)]) {
      await write(server, id, numbers(1, 2));
    }
    for (const options of [[], ['--json'], ['b-'], ['nobody']]) {
      const remote = await logweir(['ls', '--server', server.address, ...options]);
      const local = await logweir(['ls', '--dir', server.logDir, ...options]);
      expect([remote.code, remote.stdout.toString(), remote.stderr]).toEqual([
        local.code,
        local.stdout.toString(),
        local.stderr,
      ]);
    }
  });

  it.each([['cat', 's'] as const, ['ls'] as const])('%j of a server that is not there says so', async (...argv) => {
    const outcome = await logweir([...argv, '--server', '127.0.0.1:1', '--connect-timeout', '0.2']);
    expect([outcome.code, outcome.stderr]).toEqual([
      1,
      'logweir: cannot reach logweir at 127.0.0.1:1: is `logweir serve` running?\n',
    ]);
  });
});
