import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeFrame } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess;
let client: LogClient;

beforeAll(async () => {
  directory = await temporaryDirectory();
  server = await startServer({ LOG_DIR: directory.path, LOG_IDLE_SECONDS: '600', LOG_MAX_FRAME_BYTES: '100000' });
  client = new LogClient(server.grpc);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await server.end('SIGKILL');
  await directory[Symbol.asyncDispose]();
});

const contents = async (session: string): Promise<unknown[]> =>
  (await storedLines(directory.path, session)).map(({ content }) => content);

describe('WriteLogStream', () => {
  test('answers with counts and the range of each session, in the order they came', async () => {
    const answer = await client.write([
      { session_id: 'r2', content: 'a' },
      { session_id: 'r1', content: 'b' },
      { session_id: 'r2', content: 'c' },
      { session_id: 'r2', content: 'a', seq: 1 },
    ]);
    expect(answer).toEqual({
      ok: true,
      response: {
        frames_received: 4,
        status: 'ACKNOWLEDGED',
        frames_written: 3,
        duplicates: 1,
        sessions: [
          { session_id: 'r2', first_seq: 1, last_seq: 2 },
          { session_id: 'r1', first_seq: 1, last_seq: 1 },
        ],
        durable: true,
      },
    });
    expect(await contents('r2')).toEqual(['a', 'c']);
  });

  test('an empty stream is acknowledged', async () => {
    expect(await client.write([])).toMatchObject({ ok: true, response: { frames_received: 0, sessions: [] } });
  });

  test('lines are on disk when the response comes', async () => {
    await client.write(Array.from({ length: 5000 }, (_, index) => ({ session_id: 'durable', content: `${index}` })));
    expect((await contents('durable')).length).toBe(5000);
  });

  test('a line has exactly the fields, order and form of the format', async () => {
    await client.write([
      {
        session_id: 'form "x"',
        content: 'two\nlines\u2028\u0007',
        role: 'assistant',
        user_id: 'u1',
        version: 1,
        time: { seconds: 1763719200, nanos: 123456789 },
        producer_id: 'w3',
        producer_seq: 9,
      },
    ]);
    const { text } = { text: JSON.stringify((await storedLines(directory.path, 'form%20%22x%22'))[0]) };
    expect(text).toBe(
      JSON.stringify({
        seq: 1,
        time: '2025-11-21T10:00:00.123456789Z',
        session_id: 'form "x"',
        user_id: 'u1',
        role: 'assistant',
        content: 'two\nlines\u2028\u0007',
        version: 1,
        producer_id: 'w3',
        producer_seq: 9,
      }),
    );
  });
});

describe('bad input', () => {
  const good = (session: string): { session_id: string; content: string }[] => [
    { session_id: session, content: 'one' },
    { session_id: session, content: 'two' },
  ];
  const varint = (value: bigint): number[] => {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    while (rest > 127n) {
      bytes.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    return [...bytes, Number(rest)];
  };
  const withSeq = (seq: bigint): Buffer =>
    Buffer.concat([encodeFrame({ session_id: 'bad' }), Buffer.from([0x30, ...varint(seq)])]);
  const withTime = (seconds: bigint, nanos: bigint): Buffer => {
    const time = [0x08, ...varint(seconds), 0x10, ...varint(nanos)];
    return Buffer.concat([encodeFrame({ session_id: 'bad' }), Buffer.from([0x12, time.length, ...time])]);
  };

  test.each<[string, Buffer, string]>([
    ['an empty session id', encodeFrame({ content: 'x' }), 'session_id'],
    ['a session id over 1,024 bytes', encodeFrame({ session_id: 'x'.repeat(1025) }), 'session_id'],
    ['a frame over LOG_MAX_FRAME_BYTES', encodeFrame({ session_id: 'bad', content: 'x'.repeat(100_001) }), 'frame'],
    ['a frame far over every limit', encodeFrame({ session_id: 'bad', content: 'x'.repeat(9_000_000) }), 'frame'],
    ['bytes that are no protobuf', Buffer.from([0xff, 0xff, 0xff, 0xff]), 'frame'],
    ['a negative seq', withSeq(-1n), 'seq'],
    ['a seq above 2^53-1', withSeq(2n ** 53n), 'seq'],
    ['a time after 9999', withTime(253402300800n, 0n), 'time'],
    ['a time before year 1', withTime(-62135596801n, 0n), 'time'],
    ['nanos over a second', withTime(0n, 1_000_000_000n), 'time'],
    ['negative nanos', withTime(0n, -1n), 'time'],
  ])(
    '%s: INVALID_ARGUMENT naming index and field, earlier frames stored, later ones not',
    async (name, frame, field) => {
      const session = `earlier ${name}`;
      const answer = await client.write([...good(session), frame, { session_id: session, content: 'three' }]);
      expect(answer).toMatchObject({ ok: false, code: status.INVALID_ARGUMENT });
      if (!answer.ok) {
        expect(answer.details).toContain(`frame 2 (counted from 0): ${field} `);
        expect(answer.trailers.get('logweir-frames-written')).toEqual(['2']);
        expect(answer.trailers.get('logweir-frame-index')).toEqual(['2']);
        expect(answer.trailers.get('logweir-frame-field')).toEqual([field]);
      }
      expect(await contents(encodeURIComponent(session))).toEqual(['one', 'two']);
    },
  );

  test.each([
    ['../x', '%2E.%2Fx'],
    ['a/b', 'a%2Fb'],
    ['.', '%2E'],
    ['nul\0', 'nul%00'],
    ['Case', 'Case'],
    ['case', 'case'],
    ['/etc/passwd', '%2Fetc%2Fpasswd'],
  ])('the session id %j becomes the name %s and nothing outside of LOG_DIR', async (id, name) => {
    expect(await client.write([{ session_id: id, content: id }])).toMatchObject({ ok: true });
    expect(await storedLines(directory.path, name)).toMatchObject([{ session_id: id, content: id }]);
  });

  test('a 900-byte session id is stored under a name of its own', async () => {
    const ids = [`${'x'.repeat(899)}a`, `${'x'.repeat(899)}b`];
    for (const id of ids) {
      expect(await client.write([{ session_id: id, content: id.slice(-1) }])).toMatchObject({ ok: true });
    }
    const names = (await readdir(join(directory.path, 'active'))).filter((name) => name.includes('~'));
    const stored = await Promise.all(names.map((name) => storedLines(directory.path, name.replace('.logtmp', ''))));
    expect(
      stored
        .flat()
        .map(({ content }) => content)
        .toSorted(),
    ).toEqual(['a', 'b']);
  });

  test('a refused stream harms no other stream, and the process lives', async () => {
    const other = client.open();
    await other.send({ session_id: 'unharmed', content: '1' });
    expect(await client.write([Buffer.from([7])])).toMatchObject({ ok: false });
    await other.send({ session_id: 'unharmed', content: '2' });
    expect(await other.finish()).toMatchObject({ ok: true, response: { frames_written: 2 } });
  });

  test('of a client that vanishes mid-stream everything that arrived is stored', async () => {
    const vanishing = new LogClient(server.grpc);
    const stream = vanishing.open();
    for (let index = 0; index < 1000; index++) {
      await stream.send({ session_id: 'vanished', content: `${index}` });
    }
    // The first frames are read by now; a cancelled call may lose what is still in the transport.
    await expect.poll(() => contents('vanished').then(({ length }) => length)).toBeGreaterThan(0);
    stream.cancel();
    vanishing[Symbol.dispose]();
    await expect
      .poll(async () => {
        const before = (await contents('vanished')).length;
        await new Promise((resolve) => setTimeout(resolve, 300));
        return (await contents('vanished')).length === before;
      })
      .toBe(true);
    const stored = await contents('vanished');
    expect(stored).toEqual(Array.from({ length: stored.length }, (_, index) => `${index}`));
  });
});
