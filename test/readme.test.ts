import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort, type RedisServer, redisAvailable, startRedis } from './support/redis.js';
import { temporaryDirectory } from './support/session-room.js';

/**
 * Follows the README word for word in a copy of the repository without node_modules and dist. Its commands are run as
 * they stand; ports come from the environment, and where one is written out it is replaced by a free one.
 */
const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
const README = readFileSync(join(REPOSITORY, 'README.md'), 'utf8');
const BLOCKS = [...README.matchAll(/```sh\n([^]*?)```/g)].map(([, text = '']) => text.trim());

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let checkout: string;
let redis: RedisServer | null = null;
let environment: NodeJS.ProcessEnv;
let server: ChildProcess | null = null;
const run = new Set<string>();

/** The block that begins so; each is used by one test. */
function block(beginning: string): string {
  const found = BLOCKS.find((candidate) => candidate.startsWith(beginning));
  if (found === undefined) {
    throw new Error(`the README has no block that begins with ${beginning}`);
  }
  run.add(found);
  return (
    found
      // `head` ends its writer early, which pipefail would call a failure.
      .replaceAll(/\| head -n (\d+)/g, '| sed -n 1,$1p')
      .replaceAll('127.0.0.1:50053', `127.0.0.1:${environment['GRPC_PORT']}`)
      .replaceAll('127.0.0.1:6379', `127.0.0.1:${redis?.port}`)
      .replaceAll('redis-cli ', `redis-cli -p ${redis?.port} `)
  );
}

function shell(command: string): string {
  return execFileSync('bash', ['-eo', 'pipefail', '-c', command], {
    cwd: checkout,
    env: environment,
    encoding: 'utf8',
    timeout: 300_000,
    maxBuffer: 1 << 28,
  });
}

/** Starts a server as the README says and waits for the line that says it is ready. */
async function start(command: string): Promise<void> {
  const child = spawn('bash', ['-c', command], {
    cwd: checkout,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  server = child;
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const onText = (text: Buffer): void => {
      output += text.toString();
      if (output.includes('"msg":"ready"')) {
        resolve();
      }
    };
    child.stdout.on('data', onText);
    child.stderr.on('data', onText);
    child.once('close', (code) => reject(new Error(`${command} ended with ${code}:\n${output}`)));
  });
}

/** Ends the server with its npm, as Ctrl-C in its terminal would. */
async function stop(): Promise<void> {
  const running = server;
  server = null;
  if (running?.pid !== undefined && running.exitCode === null) {
    const closed = new Promise((resolve) => running.once('close', resolve));
    process.kill(-running.pid, 'SIGINT');
    await closed;
  }
}

beforeAll(async () => {
  directory = await temporaryDirectory('logweir-readme-');
  checkout = join(directory.path, 'logweir');
  // With the history, for `git log`; and with what is not committed yet.
  execFileSync('git', ['clone', '-q', REPOSITORY, checkout]);
  const listed = execFileSync('git', [
    '-C',
    REPOSITORY,
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
  ]);
  for (const path of listed.toString().split('\0').filter(Boolean)) {
    await cp(join(REPOSITORY, path), join(checkout, path)).catch(() => rm(join(checkout, path), { force: true }));
  }
  redis = redisAvailable ? await startRedis() : null;
  const ports = { GRPC_PORT: String(await freePort()), HTTP_PORT: String(await freePort()) };
  environment = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...ports };
}, 120_000);

afterAll(async () => {
  await stop();
  await redis?.stop();
  await directory[Symbol.asyncDispose]();
});

test('the first five minutes: install, start, run a command, look', { timeout: 300_000 }, async () => {
  await start(block('npm ci && npm start'));
  shell(block('npx logweir run --session build'));
  await expect.poll(() => shell('ls logs/sealing'), { timeout: 60_000 }).toBe('');
  const looked = shell(block('npx logweir ls'));
  expect(looked).toContain('build');
  expect(looked).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] stdout +commit [0-9a-f]{40}/m);
  expect(looked).toMatch(/^build .* completed +0$/m);
  expect(looked).toMatch(/^0000000000000001-\d{16}_\d{8}T\d{6}Z\.log\.gz$/m);
});

test('frames from standard input, and from any gRPC client through reflection', { timeout: 120_000 }, () => {
  shell(block('seq 1 3'));
  expect(shell(block('echo \'{"session_id"')).trim()).toMatch(/"status":\s*"ACKNOWLEDGED"/);
  expect(shell('npx logweir cat numbers -o raw')).toBe('123');
  const chat = shell('npx logweir cat chat').trim().split('\n');
  expect(chat.map((line) => JSON.parse(line) as object)).toMatchObject([
    { seq: 1, role: 'assistant', content: 'hi', metadata: { level: 'info' } },
    { seq: 2, role: 'user', content: 'hello' },
  ]);
});

test('a session is over when somebody says so', { timeout: 120_000 }, () => {
  expect(shell(block('npx logweir complete numbers'))).toMatch(/^numbers .* failed +2$/m);
});

test('how far a session has come', { timeout: 120_000 }, () => {
  const info = JSON.parse(shell(block('npx buf curl --protocol grpc'))) as object;
  expect(info).toMatchObject({ sessionId: 'chat', status: 'active', firstSeq: '1', lastSeq: '2', segments: 1 });
  const [shown, read] = shell(block('npx logweir tail chat'))
    .trim()
    .split(/\n(?=\{)/);
  expect(shown).toMatch(/^\[[-\d]+ [:\d]+\] assistant hi\n\[[-\d]+ [:\d]+\] user hello$/);
  expect(JSON.parse(read ?? '')).toMatchObject({ role: 'assistant', content: 'hi' });
});

test.skipIf(!redisAvailable)(
  'with a Redis and small limits, segments finish and are announced',
  { timeout: 300_000 },
  async () => {
    await stop();
    await start(block('REDIS_URL='));
    shell(block('npx logweir run --session build'));
    await expect.poll(() => shell('ls logs/active logs/sealing'), { timeout: 30_000 }).not.toContain('build');
    const shown = shell(block('zcat'));
    expect(shown).toContain('{"seq":1,"time":"');
    expect(shown).toContain('"prev_sha256":null');
    expect(shown).toContain('"event_id":"rotation:');
    await stop();
  },
);

test('every command of the README is run by a test', () => {
  // CI calls it as it stands (.ci/run): here it would run itself.
  const byCi = 'npm ci && npm test';
  expect(readFileSync(join(REPOSITORY, '.ci', 'run'), 'utf8').replace('npm ci\nnpm run check\n', '')).toContain(
    'npm test',
  );
  expect(BLOCKS.filter((candidate) => !run.has(candidate) && candidate !== byCi)).toEqual([]);
});
