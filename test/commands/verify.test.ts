import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerVerify } from '../../src/commands/verify.js';
import { LogDirFixture, storedLine } from '../reading/log-dir-fixture.js';
import { LogDirCopy, type RealHistory, verify, writeRealHistory } from '../reading/real-history.js';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { CommandRun } from './command-run.js';

const BINARY = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));
const DOCUMENT = readFileSync(fileURLToPath(new URL('../../docs/verify.md', import.meta.url)), 'utf8');

let history: RealHistory;

beforeAll(async () => {
  history = await writeRealHistory();
});

afterAll(() => history[Symbol.asyncDispose]());

describe('logweir verify', () => {
  it('ends with 0 when all is well, with 1 when not, and says which sessions it was asked for', async () => {
    await using copy = await LogDirCopy.of(history.path);
    const [stem = ''] = await copy.stems('one');
    await unlink(copy.at('sessions/one', `${stem}.json`));
    expect((await copy.verify()).code).toBe(1);
    const [first, ...rest] = (await copy.verify('one')).text.split('\n');
    expect(first).toMatch(/^checked: 1 session, 1 segment, 1 frame, \d+ B of lines \(\d+ B on the disk\)$/);
    expect(rest).toEqual([
      'integrity: ok',
      'completeness: 1 file incomplete',
      `  session one: sessions/one/${stem}.log.gz has no manifest beside it`,
      '',
    ]);
    expect((await copy.verify('s', 'big')).code).toBe(0);
  });

  it('says in one sentence that a session is unknown, and checks nothing', async () => {
    const unknown = await verify(history.path, 's', 'nope\u001b');
    expect([unknown.code, unknown.text, unknown.stderr]).toEqual([
      ...[1, ''],
      'logweir: there is no session "nope\\u001b"\n',
    ]);
  });

  it('wrong usage ends with 2', async () => {
    const outcome = await new CommandRun().run(registerVerify, ['verify', '--no-such']);
    expect([outcome.code, outcome.stderr]).toEqual([2, expect.stringContaining("unknown option '--no-such'")]);
  });

  it('checks an empty LOG_DIR', async () => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeActive('x', Buffer.alloc(0));
    expect((await verify(fixture.layout.root)).code).toBe(0);
  });

  it('changes nothing in LOG_DIR, and takes no lock', async () => {
    await using copy = await LogDirCopy.of(history.path);
    const list = async () =>
      spawnSync('find', ['.', '-printf', '%p %s %T@ %C@\n'], { cwd: copy.path, encoding: 'utf8' }).stdout;
    const before = await list();
    expect((await copy.verify()).code).toBe(0);
    expect(await list()).toBe(before);
  });

  it('never prints the control characters of a session id', async () => {
    await using fixture = await LogDirFixture.create();
    const id = 'x\u001b]0;t\u0007\u009b';
    await fixture.writeActive(id, Buffer.concat([storedLine(id, 1), Buffer.alloc(3)]));
    const { text } = await verify(fixture.layout.root);
    expect(text).toContain('session x\\e]0;t\\u{7}\\u{9b}: active/x%1B%5D0%3Bt%07%C2%9B.logtmp holds NUL bytes');
  });

  it('finds the id of a name that was too long', async () => {
    await using fixture = await LogDirFixture.create();
    const id = 'ü'.repeat(120);
    await fixture.writeActive(id, Buffer.concat([storedLine(id, 1), Buffer.alloc(3)]));
    const { json } = await verify(fixture.layout.root, id);
    expect(json.integrity.listed.map(({ session_id }) => session_id)).toEqual([id]);
  });

  it('shows a bar on a terminal, and leaves no trace of it', async () => {
    const run = new CommandRun({ isTerminal: true });
    const outcome = await run.run(registerVerify, ['verify', '--dir', history.path]);
    expect(outcome.code).toBe(0);
    expect(outcome.stdout.toString()).toContain('integrity: ok\n');
    // Drawn when it takes long enough; what was drawn is erased.
    expect(outcome.stderr === '' || /^\r\u001b\[2K.*\[[#.]{20}\] \d+%[^]*\r\u001b\[2K$/.test(outcome.stderr)).toBe(
      true,
    );
  });

  it('Ctrl-C ends it with 130 and no verdict', async () => {
    const run = new CommandRun();
    run.interrupt('SIGINT');
    const outcome = await run.run(registerVerify, ['verify', '--dir', history.path]);
    expect([outcome.code, outcome.stdout.toString(), outcome.stderr]).toEqual([130, '', '']);
  });

  it('ends quietly when nobody reads what it says', async () => {
    const child = spawn(process.execPath, [BINARY, 'verify', '--dir', history.path], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => {
      stderr += text.toString();
    });
    const [code] = await once(child, 'close');
    expect([code, stderr]).toEqual([0, '']);
  });

  it('says ok, time after time, while a server takes in, rotates and compresses at full speed', {
    timeout: 300_000,
  }, async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '100000' });
    using client = new LogClient(server.grpc);
    let isOver = false;
    let sent = 0;
    const writing = Array.from({ length: 4 }, async (_, session) => {
      // An end, so that what is checked again and again does not grow for ever.
      for (let seq = 1; !isOver && seq < 15_000; ) {
        const frame = () => ({
          session_id: `s${session}`,
          content: `${seq} ${'.'.repeat(seq % 300)}`,
          ...{ producer_id: `p${seq % 5}`, producer_seq: seq++ },
        });
        const answer = await client.write(Array.from({ length: 200 }, frame));
        expect(answer.ok).toBe(true);
        sent += 200;
      }
    });
    try {
      const sessions = () => readdir(join(directory.path, 'sessions')).then(({ length }) => length);
      await expect.poll(sessions, { timeout: 60_000 }).toBe(4);
      let frames = 0;
      for (let round = 0; round < 5; round++) {
        const sentBefore = sent;
        const { code, text, json } = await verify(directory.path);
        expect([code, text]).toEqual([0, expect.stringContaining('integrity: ok\ncompleteness: ok\n')]);
        // All that was acknowledged before it began.
        expect(json.checked.frames).toBeGreaterThanOrEqual(sentBefore);
        frames = json.checked.frames;
      }
      expect(frames).toBeGreaterThan(1_000);
    } finally {
      isOver = true;
      await Promise.all(writing);
    }
    expect(await server.end('SIGKILL')).toBe('SIGKILL');
    const after = await verify(directory.path);
    expect([after.code, after.json.checked.frames >= sent]).toEqual([0, true]);
  });
});

describe('docs/verify.md', () => {
  it('its commands run as they stand', async () => {
    await using copy = await LogDirCopy.of(history.path);
    const blocks = [...DOCUMENT.matchAll(/```sh\n([^]*?)```/g)].map(([, text = '']) => text.trim());
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) {
      const command = block.replaceAll('npx logweir', `${process.execPath} ${BINARY}`).replaceAll('build', 's');
      const ran = spawnSync('bash', ['--norc', '-eo', 'pipefail', '-c', command], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], LOG_DIR: copy.path, NODE_ENV: 'production' },
      });
      expect([ran.status, ran.stderr], block).toEqual([0, '']);
    }
  });

  it('names every field of --json and every problem', async () => {
    await using copy = await LogDirCopy.of(history.path);
    const [stem = ''] = await copy.stems('one');
    await unlink(copy.at('sessions/one', `${stem}.json`));
    const { json } = await copy.verify();
    const names = new Set<string>();
    JSON.stringify(json, (key, value) => {
      names.add(key);
      return value;
    });
    const missing = [...names].filter((name) => /[a-z]/.test(name) && !DOCUMENT.includes(`\`${name}\``));
    expect(missing).toEqual([]);
    const source = readFileSync(
      fileURLToPath(new URL('../../src/reading/verification/finding.ts', import.meta.url)),
      'utf8',
    );
    const problems = [...source.matchAll(/^ {2}\| '(\w+)'/gm)].map(([, name]) => name);
    expect(problems).toHaveLength(13);
    expect(problems.filter((name) => !DOCUMENT.includes(`\`${name}\``))).toEqual([]);
  });
});
