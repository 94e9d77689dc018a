import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeBatch } from '../support/frames.js';
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

describe('WriteLogBatches', () => {
  test('acknowledges batches with what they stored, once it is on disk', async () => {
    const stream = client.openBatches();
    stream.send(1, [
      { session_id: 'b1', content: 'a' },
      { session_id: 'b2', content: 'b' },
      { session_id: 'b1', content: 'c' },
    ]);
    await stream.acknowledged(1);
    expect(stream.acks).toEqual([
      {
        batch_id: 1,
        durable: true,
        sessions: [
          { session_id: 'b1', first_seq: 1, last_seq: 2 },
          { session_id: 'b2', first_seq: 1, last_seq: 1 },
        ],
        rejected: [],
        duplicates: 0,
      },
    ]);
    expect(await contents('b1')).toEqual(['a', 'c']);
    stream.send(2, [{ session_id: 'b1', content: 'd' }]);
    await stream.acknowledged(2);
    expect(await contents('b1')).toEqual(['a', 'c', 'd']);
    expect(await stream.finish()).toEqual({ code: status.OK, details: 'OK' });
  });

  test('acknowledgements are cumulative and in order, and cover every batch', async () => {
    const stream = client.openBatches();
    for (let batch = 1; batch <= 500; batch++) {
      stream.send(
        batch,
        Array.from({ length: 20 }, (_, index) => ({ session_id: `many-${index % 7}`, content: `${batch}:${index}` })),
      );
    }
    expect(await stream.finish()).toMatchObject({ code: status.OK });
    const ids = stream.acks.map(({ batch_id }) => batch_id);
    expect(ids.at(-1)).toBe(500);
    expect(ids).toEqual(ids.toSorted((one, other) => one - other));
    expect(ids.length).toBeLessThanOrEqual(500);
    const stored = await Promise.all(
      Array.from({ length: 7 }, (_, session) => storedLines(directory.path, `many-${session}`)),
    );
    expect(stored.flat().length).toBe(10_000);
    const last = new Map(
      stream.acks.flatMap(({ sessions }) => sessions.map(({ session_id, last_seq }) => [session_id, last_seq])),
    );
    expect(stored.map((lines) => lines.at(-1)?.seq)).toEqual(
      Array.from({ length: 7 }, (_, session) => last.get(`many-${session}`)),
    );
  });

  test('a frame that can never be stored is named in the acknowledgement, and the stream goes on', async () => {
    const stream = client.openBatches();
    stream.send(7, [
      { session_id: 'rejects', content: 'a' },
      { session_id: '', content: 'x' },
      Buffer.from([7]),
      { session_id: 'rejects', content: 'y'.repeat(100_001) },
      { session_id: 'rejects', content: 'b' },
    ]);
    await stream.acknowledged(7);
    expect(stream.acks[0]?.rejected).toEqual([
      { batch_id: 7, index: 1, field: 'session_id', reason: 'is empty' },
      { batch_id: 7, index: 2, field: 'frame', reason: 'is not a valid LogFrame message' },
      { batch_id: 7, index: 3, field: 'frame', reason: 'is larger than LOG_MAX_FRAME_BYTES (100000)' },
    ]);
    stream.send(8, [{ session_id: 'rejects', content: 'c' }]);
    await stream.acknowledged(8);
    await stream.finish();
    expect(await contents('rejects')).toEqual(['a', 'b', 'c']);
  });

  test('a retry with producer marks is acknowledged and stores nothing twice, also over a new connection', async () => {
    const frames = [1, 2, 3].map((producer_seq) => ({
      session_id: 'retry',
      content: `${producer_seq}`,
      producer_id: 'p',
      producer_seq,
    }));
    for (const duplicates of [0, 3]) {
      using fresh = new LogClient(server.grpc);
      const stream = fresh.openBatches();
      stream.send(1, frames);
      await stream.acknowledged(1);
      expect(stream.acks[0]).toMatchObject({ duplicates, rejected: [] });
      await stream.finish();
    }
    expect(await contents('retry')).toEqual(['1', '2', '3']);
  });

  test.each<[string, (id: number) => Buffer, string]>([
    ['bytes that are no batch', () => Buffer.from([0xff]), 'batch is not a valid WriteLogBatch message'],
    ['a batch_id that does not rise', () => encodeBatch(1, []), 'batch_id is not above 1, the one before it'],
    [
      'a batch over the limit',
      () =>
        encodeBatch(
          2,
          Array.from({ length: 5 }, () => ({ session_id: 's', content: 'x'.repeat(90_000) })),
        ),
      'batch is larger than 400000 bytes',
    ],
  ])('%s ends the call with INVALID_ARGUMENT after what came before is acknowledged', async (name, bad, details) => {
    const session = encodeURIComponent(name);
    const stream = client.openBatches();
    stream.send(1, [{ session_id: session, content: 'before' }]);
    stream.sendRaw(bad(2));
    expect(await stream.ended).toEqual({
      code: status.INVALID_ARGUMENT,
      details: `the batch after batch_id 1: ${details}`,
    });
    expect(stream.acks.map(({ batch_id }) => batch_id)).toEqual([1]);
    expect(await contents(encodeURIComponent(session))).toEqual(['before']);
  });

  test('new sessions in the middle of batches, over many streams at once: every acknowledged frame is stored once', async () => {
    const streams = Array.from({ length: 8 }, () => client.openBatches());
    await Promise.all(
      streams.map(async (stream, index) => {
        for (let batch = 1; batch <= 30; batch++) {
          stream.send(
            batch,
            Array.from({ length: 10 }, (_, frame) => ({
              session_id: `fresh-${batch}-${frame % 3}`,
              content: `${index}`,
            })),
          );
        }
        expect(await stream.finish()).toMatchObject({ code: status.OK });
        expect(stream.acks.at(-1)?.batch_id).toBe(30);
      }),
    );
    for (let batch = 1; batch <= 30; batch++) {
      const counts = await Promise.all([0, 1, 2].map((session) => contents(`fresh-${batch}-${session}`)));
      expect(counts.map(({ length }) => length)).toEqual([32, 24, 24]);
    }
  });

  test('SIGTERM acknowledges what was taken and answers UNAVAILABLE', async () => {
    await using other = await temporaryDirectory();
    await using stopping = await startServer({ LOG_DIR: other.path });
    using local = new LogClient(stopping.grpc);
    const stream = local.openBatches();
    stream.send(1, [{ session_id: 's', content: 'a' }]);
    await stream.acknowledged(1);
    const ended = stopping.end('SIGTERM');
    expect(await stream.ended).toEqual({
      code: status.UNAVAILABLE,
      details: 'the server is shutting down; 1 frames of this stream were stored',
    });
    expect(await ended).toBe(0);
  });
});
