import { execFileSync, spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { redisAvailable, startRedis } from '../support/redis.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const BINARY = join(REPOSITORY, 'dist', 'logweir.cjs');

function logweir(
  args: string[],
  environment: Record<string, string>,
): { code: number | null; stdout: Buffer; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BINARY, ...args], {
    cwd: REPOSITORY,
    env: { ...process.env, NODE_ENV: 'production', ...environment },
    maxBuffer: 1 << 28,
  });
  return { code: status, stdout, stderr: stderr.toString('utf8') };
}

/** A verbose git log of at least some thousand lines: of this repository, or of one made for it where there is no history. */
async function verboseLog(scratch: string): Promise<string[]> {
  const here = ['git', '-C', REPOSITORY, '--no-pager', 'log', '-p', '--no-color'];
  const lines = spawnSync('git', here.slice(1), { maxBuffer: 1 << 28 })
    .stdout.toString('latin1')
    .split('\n').length;
  if (lines > 3000) {
    return here;
  }
  const git = (...args: string[]): void => {
    execFileSync('git', ['-C', scratch, '-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
      stdio: 'ignore',
    });
  };
  git('init', '-q');
  execFileSync('cp', ['-r', join(REPOSITORY, 'src'), join(REPOSITORY, 'package-lock.json'), scratch]);
  git('add', '.');
  git('commit', '-qm', 'everything');
  return ['git', '-C', scratch, '--no-pager', 'log', '-p', '--no-color'];
}

describe('a real command of some thousand lines', () => {
  test.skipIf(!redisAvailable)(
    'is stored, rotated, compressed and announced, and reads back byte for byte',
    { timeout: 120_000 },
    async () => {
      await using directory = await temporaryDirectory();
      await using scratch = await temporaryDirectory();
      const command = await verboseLog(scratch.path);
      const printed = execFileSync(command[0] ?? '', command.slice(1), { maxBuffer: 1 << 28 });
      const redis = await startRedis();
      const environment = {
        LOG_DIR: directory.path,
        LOG_MAX_SIZE_BYTES: '200000',
        LOG_IDLE_SECONDS: '1',
        REDIS_URL: redis.url,
      };
      await using server = await startServer(environment);

      const run = logweir(['run', '--session', 'build', '--server', server.grpc, '--', ...command], {});
      expect(run).toMatchObject({ code: 0 });
      await expect.poll(() => readdir(join(directory.path, 'active')), { timeout: 30_000 }).toEqual([]);
      await expect.poll(() => readdir(join(directory.path, 'outbox')), { timeout: 30_000 }).toEqual([]);
      await expect.poll(() => readdir(join(directory.path, 'sealing')), { timeout: 30_000 }).toEqual([]);

      // What git printed may hold bytes that are no UTF-8; those are U+FFFD in any proto string.
      const expected = printed.toString('utf8');
      const lines = await storedLines(directory.path, 'build');
      expect(lines.length).toBeGreaterThan(2000);
      expect(lines.map(({ content }) => content).join('') === expected).toBe(true);
      expect(new Set(lines.map(({ role }) => role))).toEqual(new Set(['stdout']));
      expect(
        logweir(['cat', 'build', '-o', 'raw', '--dir', directory.path], {}).stdout.equals(Buffer.from(expected)),
      ).toBe(true);

      const files = await readdir(join(directory.path, 'sessions', 'build'));
      const manifests = files.filter((name) => /^\d.*\.json$/.test(name)).toSorted();
      expect(manifests.length).toBeGreaterThan(2);
      const client = new Redis(redis.url);
      const entries = await client.xrange('logweir:rotations', '-', '+');
      await client.quit();
      await redis.stop();
      // Behind all rotations: the command has ended, and so has its session.
      expect(entries.map(([, fields]) => fields[fields.indexOf('type') + 1])).toEqual([
        ...manifests.map(() => 'log_rotation'),
        'log_completion',
      ]);
      let before: string | null = null;
      for (const [index, name] of manifests.entries()) {
        const manifest = JSON.parse(await readFile(join(directory.path, 'sessions', 'build', name), 'utf8')) as Record<
          string,
          unknown
        >;
        const fields = entries[index]?.[1] ?? [];
        const content = JSON.parse(fields[fields.indexOf('content') + 1] ?? '') as Record<string, unknown>;
        expect(content).toEqual({ ...manifest, event_id: `rotation:${String(manifest['id'])}` });
        expect(manifest['prev_sha256']).toBe(before);
        before = manifest['sha256'] as string;
        expect(
          execFileSync('sh', [
            '-c',
            'zcat "$0" | sha256sum',
            join(directory.path, String(manifest['path'])),
          ]).toString(),
        ).toContain(before);
      }
    },
  );

  test("the command's exit code is logweir's", async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path });
    const run = logweir(
      ['run', '--session', 's', '--server', server.grpc, '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'],
      {},
    );
    expect(run.code).toBe(7);
    const lines = await storedLines(directory.path, 's');
    expect(lines.map(({ role, content }) => `${String(role)}:${String(content)}`).toSorted()).toEqual([
      'stderr:err\n',
      'stdout:out\n',
    ]);
  });
});
