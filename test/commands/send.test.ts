import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerSend } from '../../src/commands/send.js';
import { LogweirServer } from '../client/logweir-server.js';
import { OverloadedServer } from '../client/overloaded-server.js';
import { TcpProxy } from '../client/tcp-proxy.js';
import { CommandRun, type Outcome } from './command-run.js';

let server: LogweirServer;
let sessions = 0;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

beforeAll(async () => {
  server = await LogweirServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

function send(input: string | Buffer, options: readonly string[]): Promise<Outcome> {
  const command = new CommandRun();
  command.stdin.end(input);
  return command.run(registerSend, ['send', '--server', server.address, ...options]);
}

const contents = async (session: string) => (await server.stored(session)).map((frame) => frame.content ?? '');

describe('logweir send', () => {
  it('stores a frame for each line, without its newline', async () => {
    const outcome = await send('one\n\ntwo ✓\r\nlast', ['--session', 'text', '--role', 'note', '--user', 'u']);
    expect(outcome).toEqual({ code: 0, stdout: Buffer.alloc(0), stderr: 'text: 4 lines stored (seq 1–4)\n' });
    expect(await contents('text')).toEqual(['one', '', 'two ✓\r', 'last']);
    const [first] = await server.stored('text');
    expect([first?.role, first?.user_id]).toEqual(['note', 'u']);
  });

  it('stores what logweir cat printed again, frame for frame', async () => {
    const lines = [
      '{"seq":3,"time":"2026-11-21T10:00:00.123456789Z","session_id":"copy","user_id":"u1","role":"assistant","content":"a","metadata":{"level":"info","n":[1,null]},"version":1,"producer_id":"w3","producer_seq":9}',
      '{"seq":7,"time":"2026-11-21T10:00:01Z","session_id":"copy","content":"b\\n"}',
    ];
    const outcome = await send(`${lines.join('\n')}\n`, ['--json']);
    expect([outcome.code, outcome.stderr]).toEqual([0, 'send: 2 lines stored\n']);
    expect((await server.stored('copy')).map((frame) => JSON.stringify(frame))).toEqual(lines);

    const again = await send(`${lines.join('\n')}\n`, ['--json', '--session', 'copy']);
    expect([again.code, again.stderr]).toEqual([0, 'copy: 2 lines stored, 2 of them there already\n']);
    expect(await contents('copy')).toHaveLength(2);
  });

  it('stores numbered frames once, however often they are sent, and refuses another frame under a used number', async () => {
    const lines =
      '{"seq":1,"content":"a"}\n{"seq":2,"content":"b","time":"2026-11-21T10:00:00Z"}\n{"seq":5,"content":"c"}\n';
    for (const sentence of ['3 lines stored (seq 1–5)', '3 lines stored, 3 of them there already']) {
      const outcome = await send(lines, ['--json', '--session', 'numbered']);
      expect([outcome.code, outcome.stderr]).toEqual([0, `numbered: ${sentence}\n`]);
    }
    const other = await send(`${lines}{"seq":6,"content":"d"}\n{"seq":2,"content":"x"}\n`, [
      '--json',
      '--session',
      'numbered',
    ]);
    expect([other.code, other.stderr]).toEqual([
      1,
      'numbered: line 5: logweir refused a frame: seq 2 is used: another frame is stored under it; ' +
        "the session's last seq is 6; 4 lines stored, 3 of them there already, 1 line refused\n",
    ]);
    expect(await contents('numbered')).toEqual(['a', 'b', 'c', 'd']);
  });

  it('gives frames in JSON what they do not say themselves', async () => {
    const outcome = await send('{"content":"a"}\n{"content":"b","role":"own"}\n', [
      '--json',
      '--session',
      'd',
      '--role',
      'r',
    ]);
    expect(outcome.stderr).toBe('d: 2 lines stored (seq 1–2)\n');
    expect((await server.stored('d')).map((frame) => frame.role)).toEqual(['r', 'own']);
  });

  it.each([
    ['{"content":', ' is not JSON'],
    ['[1]', ' is not a JSON object'],
    ['{"contnet":"x"}', ': "contnet" is no field of a frame'],
    ['{"content":3}', ': content is not a string'],
    ['{"seq":1.5}', ': seq is not an integer from 0 to 9007199254740991'],
    ['{"seq":-1}', ': seq is not an integer from 0 to 9007199254740991'],
    ['{"producer_seq":"99999999999999999999"}', ': producer_seq is not an integer from 0 to 9007199254740991'],
    ['{"time":"yesterday"}', ': time is not RFC 3339, like 2026-11-21T10:00:00.123Z'],
    ['{"metadata":[]}', ': metadata is not an object'],
    ['{"session_id":"other\\u001b"}', ': session_id is "other\\u001b", not that of --session'],
  ])('names the line and the fault of %j, with what came before stored', async (line, fault) => {
    const session = `bad-${++sessions}`;
    const outcome = await send(`{"content":"good"}\n${line}\n{"content":"never"}\n`, ['--json', '--session', session]);
    expect([outcome.code, outcome.stderr]).toEqual([1, `${session}: line 2${fault}; 1 line stored (seq 1)\n`]);
    expect(await contents(session)).toEqual(['good']);
  });

  it('names the line that the server refuses', async () => {
    const input = `${'x\n'.repeat(30)}${'y'.repeat(2_000_000)}\nz\n`;
    const outcome = await send(input, ['--session', 'big']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(
      /^big: line 31: logweir refused a frame: .*; 30 lines stored.*, 1 line refused, 1 line after it not stored\n$/,
    );
    expect(await contents('big')).toHaveLength(30);
  });

  it('skips blank lines between frames in JSON, and still names the right line', async () => {
    const good = await send('\n{"content":"a"}\n  \r\n\n{"content":"b"}\n\n', ['--json', '--session', 'blank']);
    expect([good.code, good.stderr]).toEqual([0, 'blank: 2 lines stored (seq 1–2)\n']);
    const bad = await send(`{"content":"a"}\n\n\n{"content":"${'y'.repeat(2_000_000)}"}\n`, [
      '--json',
      '--session',
      'blank-2',
    ]);
    expect(bad.stderr).toMatch(/^blank-2: line 4: logweir refused a frame: .*; 1 line stored.*, 1 line refused\n$/);
  });

  it('needs a session', async () => {
    const outcome = await send('x\n', []);
    expect([outcome.code, outcome.stderr]).toEqual([
      2,
      'logweir: send needs --session ID (or --json, with a session_id in every frame)\n',
    ]);
    const inFrames = await send('{"content":"x"}\n', ['--json']);
    expect([inFrames.code, inFrames.stderr]).toEqual([
      1,
      'send: line 1: session_id is absent, and no --session is given; 0 lines stored\n',
    ]);
  });

  it('says what is not confirmed when it is interrupted a second time', async () => {
    await using proxy = await TcpProxy.start(server.port);
    const command = new CommandRun();
    const running = command.run(registerSend, ['send', '--server', proxy.address, '--session', 'twice']);
    command.stdin.write('one\n');
    while ((await contents('twice')).length < 1) {
      await pause(10);
    }
    await pause(1_200);
    proxy.freeze();
    command.stdin.write('two\n');
    await pause(100);
    command.interrupt('SIGINT');
    await pause(100);
    expect(command.stderr.text).toBe('');
    command.interruptAgain();
    expect(command.stderr.text).toBe('twice: 1 line stored (seq 1), 1 line NOT confirmed as stored (interrupted)\n');
    await running;
  });

  it('tells a server that cannot store more from one that is away', async () => {
    const overloaded = await OverloadedServer.start(0, 1);
    const command = new CommandRun();
    command.stdin.end('one\n');
    const outcome = await command.run(registerSend, ['send', '--server', overloaded.address, '--session', 'full']);
    overloaded.stop();
    expect([outcome.code, outcome.stderr]).toEqual([
      0,
      'logweir: the server cannot store more now, 1 waiting\n' +
        'logweir: the server stores again, 1 line stored\nfull: 1 line stored\n',
    ]);
  });

  it('does not wait for a server that is away when it is interrupted', async () => {
    await using own = await LogweirServer.start();
    const command = new CommandRun();
    const running = command.run(registerSend, ['send', '--server', own.address, '--session', 'away']);
    command.stdin.write('one\n');
    while ((await own.stored('away')).length < 1) {
      await pause(10);
    }
    await pause(1_200);
    await own.stop();
    command.stdin.write('two\n');
    while (!command.stderr.text.includes('is away')) {
      await pause(10);
    }
    const interruptedAt = performance.now();
    command.interrupt('SIGTERM');
    const outcome = await running;
    expect(performance.now() - interruptedAt).toBeLessThan(500);
    expect(outcome.code).toBe(143);
    expect(outcome.stderr).toMatch(
      /^logweir: the server is away, 1 waiting\naway: 1 line stored \(seq 1\), 1 line NOT confirmed as stored \(interrupted while the server was away\)\n$/,
    );
  });

  it('stores what has come when it is interrupted', async () => {
    const command = new CommandRun();
    const running = command.run(registerSend, ['send', '--server', server.address, '--session', 'cut']);
    command.stdin.write('one\ntwo\n');
    while ((await contents('cut')).length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    command.interrupt('SIGINT');
    expect((await running).code).toBe(130);
    expect(await contents('cut')).toEqual(['one', 'two']);
  });

  it('says in one sentence that the server cannot be reached', async () => {
    const command = new CommandRun();
    const outcome = await command.run(registerSend, ['send', '--session', 's', '--connect-timeout', '0.3'], {
      LOGWEIR_SERVER: '127.0.0.1:9',
    });
    expect([outcome.code, outcome.stderr]).toEqual([
      1,
      'logweir: cannot reach logweir at 127.0.0.1:9: is `logweir serve` running?\n',
    ]);
  });
});
