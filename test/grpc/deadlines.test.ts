import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { encodeFrame } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { metric } from '../support/process-use.js';
import { framed, HANDSHAKE, RawConnection, rawSocket, WRITE_LOG_STREAM } from '../support/raw-grpc.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

const BINARY = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));

test('a stream that brings nothing is ended, though bytes of a first frame trickle in', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path, GRPC_FIRST_FRAME_SECONDS: '1' });
  using client = new LogClient(server.grpc);
  const batches = client.openBatches();
  using raw = new RawConnection(server.grpc);
  const { stream, ended } = raw.open(WRITE_LOG_STREAM);
  const bytes = framed(encodeFrame({ session_id: 's', content: 'x'.repeat(1000) }));
  let at = 0;
  const trickle = setInterval(() => stream.writable && stream.write(bytes.subarray(at, ++at)), 50);
  const said =
    'nothing came since the stream was opened for 1 s; 0 frames of this stream were stored: open another one to go on';
  expect(await batches.ended).toEqual({ code: status.UNAVAILABLE, details: said });
  expect(await ended).toMatchObject({ code: status.UNAVAILABLE, details: said });
  clearInterval(trickle);
  expect((await metric(server.http, 'logweir_streams_ended_total')).get('reason="first_frame"')).toBe(2);
  expect((await metric(server.http, 'logweir_streams_open')).get('')).toBe(0);
});

test('a stream that falls silent is ended, and everything that it brought is stored and counted', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path, GRPC_STREAM_IDLE_SECONDS: '2' });
  using client = new LogClient(server.grpc);
  const stream = client.open();
  for (let index = 0; index < 6; index++) {
    await stream.send({ session_id: 's', content: `${index}` });
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const answer = await stream.answer;
  expect(answer).toMatchObject({
    ok: false,
    code: status.UNAVAILABLE,
    details: 'nothing came on this stream for 2 s; 6 frames of this stream were stored: open another one to go on',
  });
  expect(answer.ok ? [] : answer.trailers.get('logweir-frames-written')).toEqual(['6']);
  expect(await storedLines(directory.path, 's')).toHaveLength(6);
});

test('an agent of WriteLogBatches survives connections that end of age: nothing is lost, nothing twice', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({
    LOG_DIR: directory.path,
    GRPC_CONNECTION_AGE_SECONDS: '1',
    GRPC_CONNECTION_AGE_GRACE_SECONDS: '2',
  });
  using client = new LogClient(server.grpc);
  let acknowledged = 0;
  let streams = 0;
  while (streams < 3) {
    streams++;
    const stream = client.openBatches();
    let over = false;
    const ended = stream.ended.then((end) => {
      over = true;
      return end;
    });
    for (let seq = acknowledged + 1; !over; seq++) {
      stream.send(seq, [{ session_id: 's', content: `${seq}`, producer_id: 'p', producer_seq: seq }]);
      await stream.acknowledged(seq).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await ended).toMatchObject({
      code: status.UNAVAILABLE,
      details: expect.stringMatching(/^the connection is closed for its age; \d+ frames of this stream were stored/),
    });
    acknowledged = Math.max(acknowledged, ...stream.acks.map(({ batch_id }) => batch_id));
  }
  const stored = (await storedLines(directory.path, 's')).map(({ content }) => Number(content));
  expect(acknowledged).toBeGreaterThan(10);
  expect(stored).toEqual(Array.from({ length: stored.length }, (_, index) => index + 1));
  expect(stored.length).toBeGreaterThanOrEqual(acknowledged);
});

test('`logweir run` goes on through every deadline there is', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({
    LOG_DIR: directory.path,
    GRPC_FIRST_FRAME_SECONDS: '1',
    GRPC_STREAM_IDLE_SECONDS: '1',
    GRPC_CONNECTION_IDLE_SECONDS: '1',
    GRPC_CONNECTION_AGE_SECONDS: '2',
    GRPC_CONNECTION_AGE_GRACE_SECONDS: '2',
  });
  const script = 'sleep 2.5; echo a; sleep 2.5; echo b; sleep 2.5; echo c';
  await promisify(execFile)(process.execPath, [BINARY, 'run', '--session', 'r', '--', 'sh', '-c', script], {
    env: { PATH: process.env['PATH'], LOGWEIR_SERVER: server.grpc, NODE_ENV: 'production' },
  });
  const stored = (await storedLines(directory.path, 'r')).map(({ content }) => content);
  expect(stored).toEqual(['a\n', 'b\n', 'c\n']);
});

test('connections that say nothing, have no call, or do not end their side are closed', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({
    LOG_DIR: directory.path,
    GRPC_HANDSHAKE_SECONDS: '1',
    GRPC_CONNECTION_IDLE_SECONDS: '1',
  });
  const open = async (): Promise<number | undefined> => (await metric(server.http, 'logweir_connections_open')).get('');
  const silent = await rawSocket(server.grpc);
  const begun = await rawSocket(server.grpc, HANDSHAKE.subarray(0, 20));
  const idle = await rawSocket(server.grpc, HANDSHAKE);
  await expect.poll(open, { timeout: 30_000 }).toBe(3);
  // The idle one is told GOAWAY and ends only when the server tires of waiting.
  await expect.poll(open, { timeout: 30_000 }).toBe(0);
  expect((await metric(server.http, 'logweir_connections_refused_total')).get('reason="handshake"')).toBe(2);
  for (const socket of [silent, begun, idle]) {
    socket.destroy();
  }
});
