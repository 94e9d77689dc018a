import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ServerProcess, startServer } from './support/server-process.js';
import { temporaryDirectory } from './support/session-room.js';

/**
 * Follows docs/reading.md and docs/verify.md from an empty LOG_DIR, a section each: their commands are run in order as they stand;
 * where an address is written out, it is replaced by the server's. Without npx, which takes its time and is README's to test.
 */
const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
const WAITING = { timeout: 30_000, interval: 100 };

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess;

beforeAll(async () => {
  directory = await temporaryDirectory();
  server = await startServer({ LOG_DIR: directory.path });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

/** Of the section with that heading, one line each; of the whole page without one. */
function commandsOf(page: string, heading?: string): string[] {
  const text = readFileSync(`${REPOSITORY}/docs/${page}`, 'utf8');
  const section = heading === undefined ? text : text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  const blocks = [...(section ?? '').matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block.trim());
  return blocks.flatMap((block) => block.split('\n'));
}

/** What it prints on stdout. */
async function shell(command: string): Promise<string> {
  const here = command
    .replaceAll('npx logweir', 'node dist/logweir.cjs')
    .replaceAll('npx buf', 'node_modules/.bin/buf')
    .replaceAll('127.0.0.1:50053', server.grpc)
    .replaceAll('127.0.0.1:8080', new URL(server.http).host);
  const { stdout } = await promisify(execFile)('bash', ['-eo', 'pipefail', '-c', here], {
    cwd: REPOSITORY,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      LOGWEIR_SERVER: server.grpc,
      LOG_DIR: directory.path,
    },
  });
  return stdout;
}

async function shellEach(commands: readonly string[]): Promise<string[]> {
  const outputs: string[] = [];
  for (const command of commands) {
    outputs.push(await shell(command));
  }
  return outputs;
}

const seqsOf = (output: string): number[] => [...output.matchAll(/"seq": ?"?(\d+)/g)].map(([, seq]) => Number(seq));
const withoutTimes = (output: string): string => output.replaceAll(/^\[[-\d]+ [:\d]+\] /gm, '');

it('every command about reading from the command line works as it stands', { timeout: 120_000 }, async () => {
  const [sent, tail, matched = '', cat = '', ls, ...more] = await shellEach(commandsOf('reading.md', 'Command line'));
  expect(sent).toBe('');
  expect([tail, matched].map((output) => withoutTimes(output ?? ''))).toEqual(['two\nthree\n', 'two\nthree\n']);
  expect(seqsOf(cat)).toEqual([2, 3]);
  expect(ls).toMatch(/^reading +1 +3 +1 .* active *$/m);
  expect(more).toEqual([]);
});

it('every command about reading over gRPC works as it stands', { timeout: 120_000 }, async () => {
  const commands = commandsOf('reading.md', 'gRPC');
  const segments = commands.pop() ?? '';
  const [sent, streamed = '', listed = '', completed, ...more] = await shellEach(commands);
  expect([sent, completed, more]).toEqual(['', '', []]);
  expect(seqsOf(streamed)).toEqual([2, 3]);
  expect(streamed).toMatch(/"end": ?\{\s*"status": ?"active",\s*"lastSeq": ?"3"/);
  expect(JSON.parse(listed)).toMatchObject({ sessions: [{ sessionId: 'reading-grpc', lastSeq: '3' }] });
  // It is compressed behind the completion.
  await expect
    .poll(async () => JSON.parse(await shell(segments)) as object, WAITING)
    .toMatchObject({ segments: [{ id: 'reading-grpc/1-3', frames: '3' }] });
});

it('every command about reading over HTTP works as it stands', { timeout: 120_000 }, async () => {
  const commands = commandsOf('reading.md', 'HTTP');
  const outputs = await shellEach(commands);
  expect(outputs.map(seqsOf)).toEqual([[], [], [2, 3], [2, 3], [2, 3], [3], [3], [], [3], [], [3]]);
  const [, sessions = '', , , , live, , completed = '', ended, , webSocket = ''] = outputs;
  expect((JSON.parse(sessions) as { sessions: object[] }).sessions).toContainEqual(
    expect.objectContaining({ session_id: 'build-42', last_seq: 3 }),
  );
  expect(live).toMatch(/^retry: 2000\nid: 2\n\n/);
  expect(live).toContain('id: 3\nevent: log\ndata: {"seq":3,');
  expect(live).not.toContain('event: complete');
  expect(JSON.parse(completed)).toEqual({ session_id: 'build-42', status: 'failed', exit_code: 3, last_seq: 3 });
  expect(ended).toContain('event: complete\ndata: {"status":"failed","exit_code":3,"last_seq":3}');
  await expect
    .poll(async () => JSON.parse(await shell(commands[9] ?? '')) as object, WAITING)
    .toMatchObject({ segments: [{ id: 'build-42/1-3', frames: 3 }] });
  expect(
    webSocket
      .trim()
      .split('\n')
      .map((message) => JSON.parse(message) as object),
  ).toMatchObject([
    { type: 'log', seq: 3, content: 'ended with exit code 3' },
    { type: 'complete', status: 'failed', exitCode: 3, lastSeq: 3 },
  ]);
});

it('every command about verifying works as it stands', { timeout: 120_000 }, async () => {
  await shell('echo hello | npx logweir send --session build');
  const [all, one, json = ''] = await shellEach(commandsOf('verify.md'));
  expect(all).toContain('integrity: ok\ncompleteness: ok\n');
  expect(one).toContain('checked: 1 session, 1 segment, 1 frame,');
  expect(JSON.parse(json)).toMatchObject({ format_version: 1, ok: true });
});
