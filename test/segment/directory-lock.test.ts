import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  acquireDirectoryLock,
  DirectoryLockedError,
  DirectoryUnusableError,
} from '../../src/segment/directory-lock.js';

// The processes of these tests run the built file, as the service does: vitest's `pretest` has built it.
const BUILT = new URL('../../dist/segment/directory-lock.js', import.meta.url).href;
const CONTENDER = `
  const { acquireDirectoryLock } = await import(${JSON.stringify(BUILT)});
  process.stdin.resume();
  const say = (event) => process.stdout.write(JSON.stringify(event) + '\\n');
  let lock = null;
  for await (const line of (await import('node:readline')).createInterface({ input: process.stdin })) {
    const [verb, root] = JSON.parse(line);
    if (verb === 'acquire') {
      try {
        lock = await acquireDirectoryLock(root);
        say({ owns: true });
      } catch (error) {
        say({ owns: false, name: error.name, message: error.message });
      }
    } else {
      await lock?.release();
      lock = null;
      say({ owns: false });
    }
  }
`;

interface Outcome {
  readonly owns: boolean;
  readonly name?: string;
  readonly message?: string;
}

/** A process that acquires and releases when told to. */
class Contender {
  readonly child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor() {
    this.child = spawn(process.execPath, ['--input-type=module', '-e', CONTENDER], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const stdout = this.child.stdout;
    if (stdout === null) {
      throw new Error('stdout is a pipe');
    }
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
    contenders.push(this);
  }

  async ask(verb: 'acquire' | 'release', root: string): Promise<Outcome> {
    this.child.stdin?.write(`${JSON.stringify([verb, root])}\n`);
    const { value } = await this.#answers.next();
    return JSON.parse(value) as Outcome;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL');
      await once(this.child, 'exit');
    }
  }
}

let contenders: Contender[] = [];
let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'logweir-lock-'));
});

afterEach(async () => {
  await Promise.all(contenders.map((contender) => contender.kill()));
  contenders = [];
  rmSync(root, { recursive: true, force: true });
});

const locks = (): string[] => readdirSync(root).filter((name) => name.startsWith('LOCK'));

describe('directory lock', () => {
  it('is refused to a second process, which learns who owns it', async () => {
    const owner = new Contender();
    expect(await owner.ask('acquire', root)).toEqual({ owns: true });

    const second = await new Contender().ask('acquire', root);

    expect(second).toMatchObject({ owns: false, name: 'DirectoryLockedError' });
    expect(second.message).toContain(`LOG_DIR ${root} is in use`);
    expect(second.message).toContain(`pid ${owner.child.pid} on host ${hostname()}, since 20`);
    expect(locks()).toHaveLength(1);
  });

  it('is free at once after kill -9 of its owner', async () => {
    const owner = new Contender();
    await owner.ask('acquire', root);
    const [left] = locks();
    await owner.kill();
    expect(locks()).toEqual([left]);

    const startedAt = performance.now();
    const lock = await acquireDirectoryLock(root);

    expect(performance.now() - startedAt).toBeLessThan(500);
    expect(locks()).toHaveLength(1);
    expect(locks()).not.toContain(left);
    await lock.release();
  });

  it('stays with an owner that is frozen', async () => {
    const owner = new Contender();
    await owner.ask('acquire', root);
    owner.child.kill('SIGSTOP');

    await expect(acquireDirectoryLock(root)).rejects.toThrow(/in use by another logweir \(it does not answer/);

    owner.child.kill('SIGCONT');
    await expect(acquireDirectoryLock(root)).rejects.toThrow(`pid ${owner.child.pid}`);
  });

  it('never has two owners when eight processes race for it', async () => {
    const racers = Array.from({ length: 8 }, () => new Contender());
    await Promise.all(racers.map((racer) => racer.ask('release', root)));
    let roundsWithOwner = 0;
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.all(racers.map((racer) => racer.ask('acquire', root)));
      const owners = outcomes.filter(({ owns }) => owns).length;
      expect(owners).toBeLessThanOrEqual(1);
      expect(outcomes.filter(({ owns, name }) => !owns && name !== 'DirectoryLockedError')).toEqual([]);
      roundsWithOwner += owners;
      await Promise.all(racers.map((racer) => racer.ask('release', root)));
      expect(locks()).toEqual([]);
    }
    // Exclusion is certain; that somebody wins is only very likely.
    expect(roundsWithOwner).toBeGreaterThanOrEqual(18);
  });

  it('works below a path of 300 bytes and more', async () => {
    const deep = join(root, 'd'.repeat(150), 'e'.repeat(150));
    mkdirSync(deep, { recursive: true });

    const lock = await acquireDirectoryLock(deep);

    expect(await new Contender().ask('acquire', deep)).toMatchObject({ owns: false, name: 'DirectoryLockedError' });
    await lock.release();
    expect(readdirSync(deep)).toEqual([]);
  });

  it('can be taken again after it was released, and release leaves nothing behind', async () => {
    const first = await acquireDirectoryLock(root);
    await expect(acquireDirectoryLock(root)).rejects.toBeInstanceOf(DirectoryLockedError);
    await first.release();
    await first.release();
    expect(locks()).toEqual([]);

    const second = await acquireDirectoryLock(root);
    expect(locks()).toHaveLength(1);
    await second.release();
  });

  it('does not keep its process alive', async () => {
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', `await (await import('${BUILT}')).acquireDirectoryLock(process.argv[1])`, root],
      { stdio: 'inherit' },
    );
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    expect(locks()).toHaveLength(1);
  });

  it('removes sockets that never got their name, once they are a minute old, and touches no other file', async () => {
    const old = `LOCK.${'a'.repeat(32)}.new`;
    const young = `LOCK.${'b'.repeat(32)}.new`;
    for (const name of [old, young, 'LOCK', 'LOCK.txt']) {
      writeFileSync(join(root, name), '');
    }
    const twoMinutesAgo = Date.now() / 1000 - 120;
    utimesSync(join(root, old), twoMinutesAgo, twoMinutesAgo);

    const lock = await acquireDirectoryLock(root);
    await lock.release();

    expect(locks().toSorted()).toEqual(['LOCK', young, 'LOCK.txt'].toSorted());
  });

  it('counts a holder that accepts and hangs up as alive', async () => {
    const server = createServer((socket) => socket.destroy());
    server.listen(join(root, `LOCK.${'c'.repeat(32)}`));
    await once(server, 'listening');

    await expect(acquireDirectoryLock(root)).rejects.toThrow('it closed without an answer');
    server.close();
  });

  it.each([
    ['is absent', (): string => join(root, 'absent'), 'it does not exist (ENOENT)'],
    [
      'is a file',
      (): string => {
        writeFileSync(join(root, 'file'), '');
        return join(root, 'file');
      },
      'not a directory (ENOTDIR)',
    ],
    ['takes no sockets', (): string => '/proc/self', 'cannot be used'],
  ])('says in one sentence when the directory %s', async (_, path, sentence) => {
    const attempt = acquireDirectoryLock(path());
    await expect(attempt).rejects.toBeInstanceOf(DirectoryUnusableError);
    await expect(attempt).rejects.toThrow(sentence);
  });
});
