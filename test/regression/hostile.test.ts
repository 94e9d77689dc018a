import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { credentials, loadPackageDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

test('a producer_id over 256 bytes is refused: marks are repeated in every manifest', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  const frame = (length: number) => ({ session_id: 's', producer_id: 'p'.repeat(length), producer_seq: 1 });
  expect(await client.write([frame(256)])).toMatchObject({ ok: true });
  const answer = await client.write([frame(257)]);
  expect(answer).toMatchObject({
    ok: false,
    code: status.INVALID_ARGUMENT,
    details: 'frame 0 (counted from 0): producer_id is longer than 256 bytes',
  });
});

test('the answer to a stream of very many sessions can be received', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  const frames = Array.from({ length: 5000 }, (_, session) => ({
    session_id: `${session}-`.padEnd(1000, 'x'),
    content: 'x',
  }));
  const answer = await client.write(frames);
  expect(answer).toMatchObject({ ok: true, response: { frames_written: 5000 } });
  if (answer.ok) {
    expect(answer.response.sessions.length).toBeGreaterThan(2000);
    expect(answer.response.sessions[0]).toMatchObject({ first_seq: 1, last_seq: 1 });
  }
});

test('a health check of a huge name is refused, and the connection goes on', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  const Health = loadPackageDefinition({ Health: healthService })['Health'] as unknown as new (
    address: string,
    security: object,
  ) => { check(request: object, callback: (error: ServiceError | null) => void): void; close(): void };
  const client = new Health(server.grpc, credentials.createInsecure());
  const check = (service: string): Promise<number> =>
    new Promise((resolve) => {
      client.check({ service }, (error) => resolve(error?.code ?? status.OK));
    });
  expect(await check('\u0080'.repeat(1_000_000))).not.toBe(status.OK);
  expect(await check('')).toBe(status.OK);
  client.close();
});

test('pipes, links and directories in place of segments are left alone, and nothing else suffers', async () => {
  await using directory = await temporaryDirectory();
  const active = join(directory.path, 'active');
  const sealing = join(directory.path, 'sealing');
  await mkdir(join(active, 'directory.logtmp'), { recursive: true });
  await mkdir(join(sealing, 'pipes'), { recursive: true });
  const segment = '0000000000000001-0000000000000001_20261121T100000Z.log';
  execFileSync('mkfifo', [join(active, 'pipe.logtmp'), join(sealing, 'pipes', segment)]);
  await symlink('/etc/hostname', join(active, 'link.logtmp'));
  await symlink('/etc', join(sealing, 'link'));
  await writeFile(join(sealing, 'file'), 'x');
  await using server = await startServer({ LOG_DIR: directory.path });
  expect(server.log()).toContain('recovery left a file alone');
  using client = new LogClient(server.grpc);
  expect(await client.write([{ session_id: 's', content: 'a' }])).toMatchObject({ ok: true });
  expect(await client.write([{ session_id: 'link', content: 'a' }])).toMatchObject({ ok: false });
  expect(await storedLines(directory.path, 's')).toHaveLength(1);
});
