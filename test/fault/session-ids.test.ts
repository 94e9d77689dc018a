import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { sessionName } from '../../src/segment/layout.js';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';
import { measured } from './amounts.js';
import { readiness } from './observe.js';

const SLOW = { timeout: 60_000, interval: 50 };

const DEVICES = ['CON', 'NUL', 'aux', 'COM1.log', 'LPT9'];
const HOSTILE_IDS = [
  '.',
  '..',
  '...',
  '../x',
  '../../../../tmp/x',
  '..\\..\\x',
  '/etc/passwd',
  '/',
  'a/b',
  'a/../b',
  './a',
  'a/',
  '\u0000',
  'a\u0000b',
  '%2e%2e%2f',
  '%00',
  '%',
  '100%',
  '~',
  '-rf',
  ' ',
  'a b\n',
  'x.logtmp',
  'x.log.gz',
  'LOCK',
  'é\u202e\u{1f4a9}',
  '\r\n{"seq":1}',
  '../'.repeat(341),
  'é'.repeat(512),
  'x'.repeat(1024),
  ...DEVICES,
];

/** Every path under a directory, links not followed. */
async function tree(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).toSorted();
}

test('session ids that look like paths are stored under encoded names, and nothing outside of LOG_DIR changes', async () => {
  await using directory = await temporaryDirectory();
  const logDir = join(directory.path, 'a', 'b', 'logs');
  await mkdir(logDir, { recursive: true });
  await mkdir(join(directory.path, 'x'));
  await using server = await startServer({ LOG_DIR: logDir, LOG_IDLE_SECONDS: '2' });
  using client = new LogClient(server.grpc);
  for (const id of HOSTILE_IDS) {
    expect(await client.write([{ session_id: id, content: 'a' }]), JSON.stringify(id)).toMatchObject({
      ok: true,
      response: { sessions: [{ session_id: id, first_seq: 1, last_seq: 1 }] },
    });
  }
  const names = HOSTILE_IDS.map((id) => sessionName(id)).toSorted();
  expect(new Set(names).size).toBe(HOSTILE_IDS.length);
  expect(names.filter((name) => !/^[A-Za-z0-9_%~-][A-Za-z0-9_.%~-]{0,199}$/.test(name))).toEqual([]);

  // And once more where sealing has named directories after them.
  await expect.poll(() => readdir(join(logDir, 'sessions')), SLOW).toHaveLength(names.length);
  await expect.poll(() => readdir(join(logDir, 'sealing')), SLOW).toEqual([]);
  for (const id of HOSTILE_IDS) {
    expect(await client.write([{ session_id: id, content: 'b' }])).toMatchObject({ ok: true });
    const lines = await storedLines(logDir, sessionName(id));
    expect(lines.map(({ seq, session_id, content }) => [seq, session_id, content])).toEqual([
      [1, id, 'a'],
      [2, id, 'b'],
    ]);
  }
  const outside = (await tree(directory.path)).filter((path) => !path.startsWith('a/b/logs/'));
  expect(outside).toEqual(['a', 'a/b', 'a/b/logs', 'x']);
  expect((await readdir(join(logDir, 'sessions'))).toSorted()).toEqual(names);
  expect(await server.end('SIGTERM')).toBe(0);
  measured('malformed input', { 'hostile session ids': HOSTILE_IDS.length });
});

test('an id over 1,024 bytes, or none at all, is refused', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  for (const id of ['x'.repeat(1025), '']) {
    const answer = await client.write([{ session_id: id, content: 'a' }]);
    expect(answer).toMatchObject({ ok: false, code: status.INVALID_ARGUMENT });
    expect(answer.ok ? '' : answer.details).toMatch(/^frame 0 \(counted from 0\): session_id /);
  }
  expect(await readdir(join(directory.path, 'active'))).toEqual([]);
});

test('a link in place of a finished session: its frames are refused, nothing is written through it', async () => {
  await using directory = await temporaryDirectory();
  const logDir = join(directory.path, 'logs');
  const elsewhere = join(directory.path, 'elsewhere');
  await mkdir(join(logDir, 'sessions'), { recursive: true });
  await mkdir(elsewhere);
  await symlink(elsewhere, join(logDir, 'sessions', 'x'));
  await writeFile(join(logDir, 'sessions', 'y'), '');
  await using server = await startServer({ LOG_DIR: logDir, LOG_IDLE_SECONDS: '1' });
  using client = new LogClient(server.grpc);
  for (const id of ['x', 'y']) {
    const answer = await client.write([{ session_id: id, content: 'a' }]);
    expect(answer).toMatchObject({ ok: false, code: status.UNAVAILABLE });
  }
  expect(server.log()).toContain("sessions/x is a link or a file where the session's directory belongs");
  expect(await client.write([{ session_id: 'z', content: 'a' }])).toMatchObject({ ok: true });
  expect(await readiness(server.http)).toEqual({ ready: true, reasons: [] });
  await expect.poll(() => readdir(join(logDir, 'sessions')), SLOW).toContain('z');
  expect(await tree(elsewhere)).toEqual([]);
});

test('a link that is planted while the session is written: its segment waits, raw, until the link is gone', async () => {
  await using directory = await temporaryDirectory();
  const logDir = join(directory.path, 'logs');
  const elsewhere = join(directory.path, 'elsewhere');
  await mkdir(elsewhere);
  await using server = await startServer({ LOG_DIR: logDir, LOG_IDLE_SECONDS: '1' });
  using client = new LogClient(server.grpc);
  for (const [room, id] of [
    ['sessions', 'x'],
    ['sealing', 'y'],
  ] as const) {
    expect(await client.write([{ session_id: id, content: 'a' }])).toMatchObject({ ok: true });
    await symlink(elsewhere, join(logDir, room, id));
  }
  await expect.poll(() => server.log(), SLOW).toContain("sessions/x is a link or a file where the session's directory");
  await expect.poll(async () => (await readiness(server.http)).ready, SLOW).toBe(false);
  expect(await tree(elsewhere)).toEqual([]);
  expect((await storedLines(logDir, 'x')).map(({ content }) => content)).toEqual(['a']);
  expect((await storedLines(logDir, 'y')).map(({ content }) => content)).toEqual(['a']);
});
