import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';

const PAGE = readFileSync(new URL('../../docs/reading.md', import.meta.url), 'utf8');
const HTTP = /## HTTP\n([^]*?)(?=\n## |$)/.exec(PAGE)?.[1] ?? '';
const COMMANDS = [...HTTP.matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block = '']) => block.trim().split('\n'));

it('every command of the page about reading over HTTP works as it stands', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  const contents = ['compiling', 'an Error', 'ended with exit code 3'];
  await client.write(contents.map((content) => ({ session_id: 'build-42', role: 'stdout', content })));
  const outputs = await Promise.all(
    COMMANDS.map(async (command) => {
      const { stdout } = await promisify(execFile)('bash', [
        '-eo',
        'pipefail',
        '-c',
        command.replaceAll('http://127.0.0.1:8080', server.http),
      ]);
      return stdout;
    }),
  );
  const found = outputs.map((output) => [...output.matchAll(/"seq":(\d+)/g)].map(([, seq]) => Number(seq)));
  expect(found).toEqual([[], [2, 3], [2, 3], [2, 3], [], [3], [3]]);
  expect(JSON.parse(outputs[0] ?? '')).toMatchObject({ sessions: [{ session_id: 'build-42', last_seq: 3 }] });
  expect(JSON.parse(outputs[4] ?? '')).toEqual({ segments: [], next_page_token: '' });
  expect(outputs[5]).toContain('id: 3\nevent: log\ndata: {"seq":3,');
});
