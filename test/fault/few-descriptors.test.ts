import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet } from '../support/fleet.js';
import { type Answer, LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';
import { amount, measured } from './amounts.js';
import { metric, readiness } from './observe.js';

const DESCRIPTORS = 256;
const UNDER_ULIMIT = ['bash', '-c', `ulimit -n ${DESCRIPTORS} && exec "$0" "$@"`];

test('10,000 sessions under ulimit -n 256: files are closed and opened again, and no line is lost', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path }, UNDER_ULIMIT);
  const sessions = 10_000;
  const streams = 4;
  const rounds = amount(2, 10);
  const fleet = new Fleet({ sessions, framesPerSession: streams * rounds, streams, callFrames: 5_000 });
  let descriptorsMost = 0;
  let openFilesMost = 0;
  const watch = setInterval(() => {
    void readdir(`/proc/${server.pid}/fd`).then(({ length }) => {
      descriptorsMost = Math.max(descriptorsMost, length);
    });
    void metric(server.http, 'logweir_files_open').then((count) => {
      openFilesMost = Math.max(openFilesMost, count ?? 0);
    });
  }, 200);
  await fleet.run(() => Promise.resolve(server.grpc));
  clearInterval(watch);

  expect(fleet.retries).toBe(0);
  expect(await metric(server.http, 'logweir_sessions_open')).toBe(sessions);
  expect((await metric(server.http, 'logweir_disk_errors_total')) ?? 0).toBe(0);
  expect(descriptorsMost).toBeLessThanOrEqual(DESCRIPTORS);
  expect(openFilesMost).toBeGreaterThan(0);
  expect(await readdir(join(directory.path, 'active'))).toHaveLength(sessions);
  expect(await server.end('SIGTERM')).toBe(0);

  let lines = 0;
  for (let session = 0; session < sessions; session++) {
    const stored = await storedLines(directory.path, `session-${session}`);
    fleet.check(session, stored);
    lines += stored.length;
  }
  expect(lines).toBe(sessions * streams * rounds);
  expect(server.log()).not.toMatch(/"level":"(?:error|fatal)"/);
  measured('more sessions than descriptors', {
    sessions,
    frames: lines,
    'descriptors allowed': DESCRIPTORS,
    'segment files open at most': openFilesMost,
  });
});

test('very many connections leave sessions their descriptors, and nothing is lost', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path }, UNDER_ULIMIT);
  using client = new LogClient(server.grpc);
  const sessions = 150;
  const write = (session: number, count: number): Promise<Answer> =>
    client.write([{ session_id: `s${session}`, content: `${count}`, producer_id: 'p', producer_seq: count }]);
  for (let session = 0; session < sessions; session++) {
    expect(await write(session, 1)).toMatchObject({ ok: true });
  }
  const [host = '', port] = server.grpc.split(':');
  const sockets = Array.from({ length: DESCRIPTORS }, () => connect(Number(port), host).on('error', () => undefined));
  const descriptors = async (): Promise<number> => (await readdir(`/proc/${server.pid}/fd`)).length;
  // As many as GRPC_MAX_CONNECTIONS are let in, the others are closed.
  await expect.poll(() => sockets.filter(({ closed }) => closed).length, { timeout: 30_000 }).toBeGreaterThan(0);
  expect(await descriptors()).toBeGreaterThan(sessions);

  for (let session = 0; session < 2 * sessions; session++) {
    expect(await write(session, 2)).toMatchObject({ ok: true });
  }
  for (const socket of sockets) {
    socket.destroy();
  }
  await expect.poll(async () => (await readiness(server.http)).ready, { timeout: 30_000 }).toBe(true);
  for (let session = 0; session < 2 * sessions; session++) {
    const lines = await storedLines(directory.path, `s${session}`);
    expect(lines.map(({ content }) => content)).toEqual(session < sessions ? ['1', '2'] : ['2']);
  }
  expect(await server.end('SIGTERM')).toBe(0);
});
