import { deflateSync, gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeBatch, encodeFrame } from '../support/frames.js';
import { framed, RawConnection, WRITE_LOG_BATCHES, WRITE_LOG_STREAM } from '../support/raw-grpc.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess;
let connection: RawConnection;

beforeAll(async () => {
  directory = await temporaryDirectory();
  server = await startServer({ LOG_DIR: directory.path, LOG_MAX_FRAME_BYTES: '100000' });
  connection = new RawConnection(server.grpc);
});

afterAll(async () => {
  connection[Symbol.dispose]();
  await server.end('SIGKILL');
  await directory[Symbol.asyncDispose]();
});

const contents = async (session: string): Promise<unknown[]> =>
  (await storedLines(directory.path, session)).map(({ content }) => content);

const frame = (session: string, content: string): Buffer => encodeFrame({ session_id: session, content });

test.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
] as const)('%s: compressed and plain messages of one stream are stored in their order', async (encoding, compress) => {
  const { stream, ended } = connection.open(WRITE_LOG_STREAM, { 'grpc-encoding': encoding });
  for (let index = 0; index < 300; index++) {
    const body = frame(encoding, `${index} ${'x'.repeat(index === 7 ? 90_000 : 10)}`);
    stream.write(index % 3 === 0 ? framed(body) : framed(compress(body), 1));
  }
  stream.end();
  expect(await ended).toMatchObject({ code: status.OK });
  const numbers = (await contents(encoding)).map((content) => Number(String(content).split(' ')[0]));
  expect(numbers).toEqual(Array.from({ length: 300 }, (_, index) => index));
});

test('compressed batches are acknowledged, also when the stream is half-closed at once', async () => {
  const { stream, ended } = connection.open(WRITE_LOG_BATCHES, { 'grpc-encoding': 'gzip' });
  for (let batch = 1; batch <= 50; batch++) {
    stream.write(framed(gzipSync(encodeBatch(batch, [frame('batches', `${batch}`)])), 1));
  }
  stream.end();
  expect(await ended).toMatchObject({ code: status.OK });
  expect(await contents('batches')).toEqual(Array.from({ length: 50 }, (_, index) => `${index + 1}`));
});

const bomb = gzipSync(Buffer.alloc(50_000_000));

test.each<[string, string, Buffer, number, string]>([
  [
    'a message that inflates past the limit',
    'gzip',
    framed(bomb, 1),
    3,
    'frame is larger than LOG_MAX_FRAME_BYTES (100000)',
  ],
  ['one that does not inflate', 'gzip', framed(Buffer.from('abc'), 1), 3, 'frame is compressed and does not inflate'],
  ['one that ends early', 'gzip', framed(bomb.subarray(0, 40), 1), 3, 'frame is compressed and does not inflate'],
  [
    'one of a stream without an encoding',
    'identity',
    framed(Buffer.from('abc'), 1),
    3,
    'frame is marked as compressed, but its stream names no encoding',
  ],
  [
    'one of an encoding that is not known',
    'snappy',
    framed(Buffer.from('abc'), 1),
    12,
    'frame is compressed with an encoding that is none of identity,deflate,gzip',
  ],
])('%s is refused by its index, and what came before is stored', async (name, encoding, message, code, details) => {
  const session = name.replaceAll(' ', '-');
  const { stream, ended } = connection.open(WRITE_LOG_STREAM, { 'grpc-encoding': encoding });
  stream.write(framed(frame(session, 'before')));
  stream.write(message);
  stream.end(framed(frame(session, 'after')));
  const answer = await ended;
  expect(answer).toMatchObject({ code, details: `frame 1 (counted from 0): ${details}` });
  expect(answer.headers).toMatchObject({ 'logweir-frames-written': '1', 'logweir-frame-index': '1' });
  expect(answer.headers['grpc-accept-encoding']).toBe(encoding === 'snappy' ? 'identity,deflate,gzip' : undefined);
  expect(await contents(session)).toEqual(['before']);
});

test.each([
  ['a frame', WRITE_LOG_STREAM, (session: string) => framed(frame(session, 'before'))],
  ['a batch', WRITE_LOG_BATCHES, (session: string) => framed(encodeBatch(1, [frame(session, 'before')]))],
] as const)('a stream that ends inside %s is refused, and what came before is stored', async (name, path, first) => {
  const session = name.replaceAll(' ', '-');
  for (const torn of [1, 4, 5, 9]) {
    const { stream, ended } = connection.open(path);
    stream.write(first(`${session}-${torn}`));
    stream.end(framed(Buffer.alloc(100)).subarray(0, torn));
    const answer = await ended;
    expect(answer.code).toBe(status.INVALID_ARGUMENT);
    expect(answer.details).toMatch(/^(frame 1 \(counted from 0\)|the batch after batch_id 1): frame is cut off/);
    expect(await contents(`${session}-${torn}`)).toEqual(['before']);
  }
});

test('other calls take compressed requests too, and no large ones', async () => {
  const path = '/grpc.health.v1.Health/Check';
  const check = async (message: Buffer): Promise<number | null> => {
    const { stream, ended } = connection.open(path, { 'grpc-encoding': 'gzip' });
    stream.end(message);
    return (await ended).code;
  };
  expect(await check(framed(gzipSync(Buffer.alloc(0)), 1))).toBe(status.OK);
  expect(await check(framed(gzipSync(Buffer.alloc(5000)), 1))).toBe(status.RESOURCE_EXHAUSTED);
  expect(await check(framed(Buffer.alloc(5000)))).toBe(status.RESOURCE_EXHAUSTED);
  expect(await check(framed(Buffer.from('x'), 1))).toBe(status.RESOURCE_EXHAUSTED);
});
