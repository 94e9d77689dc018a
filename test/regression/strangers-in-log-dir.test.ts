import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { ReaderClient } from '../support/reader-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';

/** What may stand in place of a file. */
const STRANGERS: readonly (readonly [string, (path: string) => unknown])[] = [
  ['a directory', (path) => mkdir(path)],
  ['a pipe', (path) => execFileSync('mkfifo', [path])],
  ['a link', (path) => symlink('/etc/hostname', path)],
];

async function sessionIds(http: string): Promise<unknown> {
  const response = await fetch(`${http}/api/v1/sessions`);
  const { sessions } = (await response.json()) as { sessions?: { session_id: string }[] };
  return sessions?.map(({ session_id }) => session_id) ?? response.status;
}

test.each(STRANGERS)(
  '%s where a file should be hides no session, and is a damaged segment to readers',
  async (_, make) => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '1' });
    using client = new LogClient(server.grpc);
    using reader = new ReaderClient(server.grpc);
    for (const session_id of ['a', 'b']) {
      expect(
        await client.write([
          { session_id, content: '1' },
          { session_id, content: '2' },
        ]),
      ).toMatchObject({ ok: true });
    }
    const headers = { 'content-type': 'application/json' };
    await fetch(`${server.http}/api/v1/sessions/a/complete`, { method: 'POST', headers, body: '{}' });
    const finished = join(directory.path, 'sessions', 'a');
    await expect
      .poll(async () => (await readdir(finished).catch((): string[] => [])).includes('completion.json'))
      .toBe(true);

    await make(join(directory.path, 'active', 'stranger.logtmp'));
    await make(join(finished, 'saved'));
    await rm(join(finished, 'completion.json'));
    await rename(join(finished, 'saved'), join(finished, 'completion.json'));
    await writeFile(join(directory.path, 'sessions', 'README'), 'x');
    await writeFile(join(directory.path, 'sealing', 'NOTES'), 'x');
    expect(await sessionIds(server.http)).toEqual(['a', 'b']);

    const [first = ''] = (await readdir(finished)).filter((name) => name.endsWith('.gz')).toSorted();
    await rm(join(finished, first));
    await make(join(finished, first));
    const stream = reader.stream({ session_id: 'a' });
    expect(await stream.ended).toMatchObject({ code: status.DATA_LOSS });
    expect(await sessionIds(server.http)).toEqual(['a', 'b']);
  },
);

test('a session whose id is in nothing that can be read hides no other one', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  expect(await client.write([{ session_id: 'a', content: '1' }])).toMatchObject({ ok: true });
  const name = `${'x'.repeat(150)}~${'0'.repeat(40)}`;
  const damaged = join(directory.path, 'sessions', name);
  await mkdir(damaged, { recursive: true });
  await writeFile(join(damaged, '0000000000000001-0000000000000001_20261121T100000Z.log.gz'), 'damaged');
  expect(await sessionIds(server.http)).toEqual(['a']);
});
