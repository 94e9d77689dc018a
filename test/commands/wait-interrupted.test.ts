import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { TcpSink } from '../client/tcp-sink.js';

const EXECUTABLE = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));

it.each([['tail s'], ['tail s -f -n 0'], ['monitor s'], ['cat s'], ['ls']])(
  'logweir %s ends with 130 at Ctrl-C while it waits for a server that does not answer',
  async (command) => {
    await using silent = await TcpSink.start();
    const argv = [...command.split(' '), '--server', silent.address, '--connect-timeout', '3600'];
    const env = { PATH: process.env['PATH'], NODE_ENV: 'production' };
    const child = spawn(process.execPath, [EXECUTABLE, ...argv], { env, timeout: 50_000, killSignal: 'SIGKILL' });
    await silent.connected;
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([130, null]);
  },
);
