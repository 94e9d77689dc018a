/** The end of a session, as the viewers of a real server see it. */
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { LogClient } from '../support/log-client.js';
import { metric } from '../support/process-use.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { SseClient } from '../support/sse-client.js';

const STREAM = '/api/v1/log-streaming/stream';
const ID = 'agent/7 ü';
const PATH = encodeURIComponent(ID);

function messagesOf(url: string): Promise<{ type: string }[]> {
  const socket = new WebSocket(url.replace('http', 'ws'));
  const messages: { type: string }[] = [];
  socket.on('message', (bytes: Buffer) => messages.push(JSON.parse(bytes.toString()) as { type: string }));
  return new Promise((resolve, reject) => {
    socket.once('error', reject).once('close', () => resolve(messages));
  });
}

it('a session that is completed over HTTP ends for every viewer, those of now and those of later', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  const frames = (count: number) => Array.from({ length: count }, () => ({ session_id: ID, content: 'line' }));
  await client.write(frames(3));
  const complete = async (body: object): Promise<[number, unknown]> => {
    const answer = await fetch(`${server.http}/api/v1/sessions/${PATH}/complete`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    return [answer.status, await answer.json()];
  };
  await using live = await SseClient.open(`${server.http}${STREAM}/${PATH}`);
  await using filtered = await SseClient.open(`${server.http}${STREAM}/${PATH}?keywords=nothing`);
  await using all = await SseClient.open(`${server.http}${STREAM}`);
  const socket = messagesOf(`${server.http}/logs/${PATH}`);
  await expect.poll(() => live.seqs()).toEqual([1, 2, 3]);
  await expect.poll(async () => (await metric(server.http, 'logweir_viewers_open')).get('kind="websocket"')).toBe(1);

  const told = { session_id: ID, status: 'failed', exit_code: 2, last_seq: 3 };
  expect(await complete({ status: 'failed', exit_code: 2 })).toEqual([200, told]);
  expect(await complete({ status: 'failed', exit_code: 2 })).toEqual([200, told]);
  expect(await complete({})).toMatchObject([409, {}]);

  const end = { type: 'complete', isComplete: true, status: 'failed', exitCode: 2, lastSeq: 3 };
  expect((await socket).at(-1)).toEqual(end);
  for (const stream of [live, filtered]) {
    expect(await stream.ended).toBe(true);
    expect(stream.events.at(-1)).toEqual({
      id: '3',
      event: 'complete',
      data: '{"status":"failed","exit_code":2,"last_seq":3}',
    });
  }

  // Once, though it was told twice; and the stream goes on.
  const data = '{"session_id":"agent/7 ü","status":"failed","exit_code":2,"last_seq":3}';
  await expect.poll(() => all.events).toEqual([{ id: `${PATH}/3`, event: 'complete', data }]);

  await using later = await SseClient.open(`${server.http}${STREAM}/${PATH}?after_seq=2`);
  expect(await later.ended).toBe(true);
  expect(later.events.map(({ event, id }) => `${event} ${id}`)).toEqual(['log 3', 'complete 3']);
  expect((await messagesOf(`${server.http}/logs/${PATH}?after_seq=50`)).map(({ type }) => type)).toEqual(['complete']);
  await using again = await SseClient.open(`${server.http}${STREAM}/${PATH}`, { 'Last-Event-ID': '3' });
  expect(again.status).toBe(204);
  const described = await fetch(`${server.http}/api/v1/sessions/${PATH}`);
  expect(await described.json()).toMatchObject({ status: 'failed', exit_code: 2, last_seq: 3 });

  // It is opened again by a line above its end.
  await client.write(frames(1));
  await using reopened = await SseClient.open(`${server.http}${STREAM}/${PATH}`, { 'Last-Event-ID': '3' });
  await expect.poll(() => reopened.seqs()).toEqual([4]);
  const goesOn = await fetch(`${server.http}/api/v1/sessions/${PATH}`);
  expect(await goesOn.json()).toMatchObject({ status: 'active', exit_code: null, last_seq: 4 });
  expect(await complete({})).toMatchObject([200, { status: 'completed', exit_code: null, last_seq: 4 }]);
  expect(await reopened.ended).toBe(true);
  await expect.poll(() => all.events.map(({ event }) => event)).toEqual(['complete', 'log', 'complete']);
});
