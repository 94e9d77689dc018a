import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const EXECUTABLE = fileURLToPath(new URL('../dist/logweir.cjs', import.meta.url));

type Child = ChildProcessByStdio<null, Readable, Readable>;
let children: Child[] = [];
let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'logweir-main-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  rmSync(directory, { recursive: true, force: true });
});

function start(argv: string[], env: NodeJS.ProcessEnv = {}): Child {
  const child = spawn(process.execPath, [EXECUTABLE, ...argv], {
    cwd: directory,
    env: { PATH: process.env['PATH'], GRPC_PORT: '0', HTTP_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function end(child: Child): Promise<Ended> {
  const [[code, signal], stdout, stderr] = await Promise.all([
    once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>,
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, signal, stdout, stderr };
}

const run = (argv: string[], env?: NodeJS.ProcessEnv): Promise<Ended> => end(start(argv, env));

/** Resolves to the fields of the line that says `message`; later output is dropped. */
async function logged(child: Child, message: string): Promise<Record<string, string>> {
  let buffered = '';
  for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
    buffered += String(chunk);
    for (const line of buffered.split('\n').slice(0, -1)) {
      const fields = JSON.parse(line) as Record<string, string>;
      if (fields['msg'] === message) {
        return fields;
      }
    }
  }
  throw new Error(`ended without "${message}": ${buffered}`);
}

describe('the command line', () => {
  it('ends with 0 for help and version, on stdout', async () => {
    const help = await run(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const verb of ['serve', 'config', 'run', 'send', 'complete', 'ls', 'cat', 'verify']) {
      expect(help.stdout).toMatch(new RegExp(`^ {2}${verb}\\b`, 'm'));
    }
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await run(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  it.each([[[]], [['serv']], [['config', 'all']], [['config', '--yaml']]])('ends with 2 for %j', async (argv) => {
    const { code, stdout, stderr } = await run(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toBe('');
  });

  it('serve --help has every variable', async () => {
    const { stdout } = await run(['serve', '--help']);
    for (const { name, defaultText } of (await import('../src/config-variables.js')).variables) {
      expect(stdout).toMatch(new RegExp(`^ {2}${name} +${defaultText.replace(/[.*+?]/g, '\\$&')}$`, 'm'));
    }
  });

  it('config prints what is in force, secrets masked', async () => {
    const env = { REDIS_URL: 'redis://:hunter2@r:1', LOG_GZIP_LEVLE: '1' };
    const plain = await run(['config'], env);
    expect(plain).toMatchObject({ code: 0, stderr: expect.stringContaining('did you mean LOG_GZIP_LEVEL?') });
    expect(plain.stdout).toContain('LOG_GZIP_LEVEL=3\n');
    expect(plain.stdout).toContain('REDIS_URL=redis://***@r:1\n');
    const json = JSON.parse((await run(['config', '--json'])).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({ LOG_DIR: join(directory, 'logs'), REDIS_URL: null, GRPC_PORT: 0 });
  });

  it.each([['config'], ['serve']])('%s ends with 78 and every problem when the environment is wrong', async (verb) => {
    const { code, stdout, stderr } = await run([verb], { LOG_FSYNC: 'no', LOG_GZIP_LEVEL: '10' });
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toBe(
      'logweir: the configuration has 2 problems:\n' +
        '  LOG_FSYNC is "no"; allowed: one of ack, never\n' +
        '  LOG_GZIP_LEVEL is "10"; allowed: an integer from 1 to 9\n',
    );
  });

  it.each([[['config']], [['ls', '--json']], [['cat', 's', '-o', 'raw']]])(
    'says in one sentence that there is no room for the output of %j',
    async (argv) => {
      mkdirSync(join(directory, 'logs/active'), { recursive: true });
      const line = '{"seq":1,"time":"2026-11-21T10:00:00Z","session_id":"s","content":"x"}\n';
      writeFileSync(join(directory, 'logs/active/s.logtmp'), line);
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, [EXECUTABLE, ...argv], {
        cwd: directory,
        env: { PATH: process.env['PATH'] },
        stdio: ['ignore', full, 'pipe'],
      });
      closeSync(full);
      const [[code], stderr] = await Promise.all([once(child, 'exit'), text(child.stderr as Readable)]);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: 'logweir: cannot write the output: no space left on device\n',
      });
    },
  );

  it('says every error with the same prefix', async () => {
    expect((await run(['serv'])).stderr).toMatch(/^logweir: unknown command 'serv'/);
    expect((await run(['config', '--yaml'])).stderr).toMatch(/^logweir: unknown option '--yaml'\n/);
    expect((await run(['run', '--session', 'x', 'ls', '-la'])).stderr).toContain('put -- before the command');
  });

  it('ends with 0 and in silence when the reader of its output goes', async () => {
    const child = start(['serve', '--help']);
    child.stdout.destroy();
    const [[code], stderr] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('serve', () => {
  it('has 16 file threads, stops with 0 on SIGTERM, and gives its directory up', async () => {
    const child = start(['serve']);
    const ready = await logged(child, 'ready');
    expect(await (await fetch(`${ready['http']}/readyz`)).json()).toEqual({ ready: true, reasons: [] });
    if (existsSync('/proc/self/task')) {
      expect(readdirSync(`/proc/${child.pid}/task`).length).toBeGreaterThanOrEqual(17);
    }
    child.kill('SIGTERM');
    expect(await end(child)).toMatchObject({ code: 0, signal: null, stdout: '' });
    expect(readdirSync(join(directory, 'logs')).filter((name) => name.startsWith('LOCK'))).toEqual([]);
  });

  it('ends at once on a second signal, as a shell sees it with 143', async () => {
    const child = start(['serve']);
    const ready = await logged(child, 'ready');
    // A request that never ends holds the drain for its 5 s of grace.
    const { port } = new URL(ready['http'] ?? '');
    const held = connect(Number(port), '127.0.0.1').on('error', () => undefined);
    held.write('GET /healthz HTTP/1.1\r\n');
    await once(held, 'connect');
    child.kill('SIGTERM');
    await logged(child, 'stopping');
    const startedAt = performance.now();
    child.kill('SIGTERM');
    expect(await end(child)).toMatchObject({ code: null, signal: 'SIGTERM' });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    held.destroy();
  });

  it('says who owns its directory', async () => {
    const owner = start(['serve']);
    await logged(owner, 'ready');
    const { code, stderr } = await run(['serve'], { LOG_LEVEL: 'silent' });
    expect(code).toBe(78);
    expect(stderr).toMatch(
      new RegExp(`^logweir: LOG_DIR .*/logs is in use by another logweir \\(pid ${owner.pid} on `),
    );
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('says in words why a directory or an address cannot be used', async () => {
    writeFileSync(join(directory, 'file'), '');
    const noDirectory = await run(['serve'], { LOG_DIR: join(directory, 'file'), LOG_LEVEL: 'silent' });
    expect([noDirectory.code, noDirectory.stderr]).toEqual([
      78,
      `logweir: LOG_DIR ${join(directory, 'file')} can't be used: not a directory\n`,
    ]);
    for (const protocol of ['GRPC', 'HTTP']) {
      // TEST-NET-1 (RFC 5737) is nobody's address.
      const noAddress = await run(['serve'], { [`${protocol}_HOST`]: '192.0.2.1', LOG_LEVEL: 'silent' });
      expect([noAddress.code, noAddress.stderr]).toEqual([
        78,
        `logweir: ${protocol}_HOST 192.0.2.1, ${protocol}_PORT 0 can't be listened on: address not available\n`,
      ]);
    }
  });

  it('says in one line which port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const { code, stderr } = await run(['serve'], { HTTP_PORT: String(port), LOG_LEVEL: 'silent' });
    taken.close();
    expect(code).toBe(78);
    expect(stderr).toMatch(new RegExp(`^logweir: .*HTTP_PORT ${port}.*in use\\n$`));
  });
});
