/** Viewers of a real server in a process of its own. */
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { LogClient } from '../support/log-client.js';
import { metric, openDescriptors, watchRss } from '../support/process-use.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { SseClient } from '../support/sse-client.js';

const STREAM = '/api/v1/log-streaming/stream';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

async function write(client: LogClient, session: string, count: number, content = 'line'): Promise<void> {
  const answer = await client.write(Array.from({ length: count }, () => ({ session_id: session, content })));
  expect(answer.ok).toBe(true);
}

class SocketViewer {
  readonly socket: WebSocket;
  readonly seqs: number[] = [];
  readonly types: string[] = [];
  readonly closed: Promise<number>;

  constructor(server: ServerProcess, session: string) {
    this.socket = new WebSocket(`${server.http.replace('http', 'ws')}/logs/${session}`);
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    this.socket.on('error', () => undefined);
    this.socket.on('message', (bytes: Buffer) => {
      const { type, seq } = JSON.parse(bytes.toString()) as { type: string; seq: number };
      this.types.push(type);
      if (type === 'log') {
        this.seqs.push(seq);
      }
    });
  }
}

it('viewers of every kind see every line once and in order, and what they held is released', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '1048576' });
  using client = new LogClient(server.grpc);
  await write(client, 'a', 100);
  const descriptors = openDescriptors(server.pid);
  const viewers = await Promise.all(upTo(10).map(() => SseClient.open(`${server.http}${STREAM}/a`)));
  const sockets = upTo(10).map(() => new SocketViewer(server, 'a'));
  await using all = await SseClient.open(`${server.http}${STREAM}`);
  await expect.poll(() => sockets.map(({ seqs }) => seqs.length)).toEqual(upTo(10).map(() => 100));

  // Over several seals.
  for (let round = 0; round < 10; round++) {
    await Promise.all([write(client, 'a', 40, 'y'.repeat(10_000)), write(client, 'b', 20)]);
  }

  for (const viewer of viewers) {
    await expect.poll(() => viewer.seqs().length).toBe(500);
    expect(viewer.seqs()).toEqual(upTo(500));
  }
  for (const viewer of sockets) {
    await expect.poll(() => viewer.seqs.length).toBe(500);
    expect(viewer.seqs).toEqual(upTo(500));
  }
  await expect.poll(() => all.named('log').length).toBe(600);
  const ids = all.named('log').map(({ id }) => String(id));
  expect(ids.filter((id) => id.startsWith('a/'))).toEqual(upTo(400).map((seq) => `a/${seq + 100}`));
  expect(ids.filter((id) => id.startsWith('b/'))).toEqual(upTo(200).map((seq) => `b/${seq}`));

  const open = (): Promise<Map<string, number>> => metric(server.http, 'logweir_viewers_open');
  expect([...(await open())]).toEqual([
    ['kind="sse"', 11],
    ['kind="websocket"', 10],
    ['kind="http"', 0],
    ['kind="grpc"', 0],
  ]);
  expect((await metric(server.http, 'logweir_lines_delivered_total')).get('')).toBe(20 * 500 + 600);
  await Promise.all([...viewers, all].map((viewer) => viewer.close()));
  for (const { socket } of sockets) {
    socket.terminate();
  }
  await expect.poll(async () => [...(await open()).values()]).toEqual([0, 0, 0, 0]);
  await expect.poll(() => openDescriptors(server.pid)).toBeLessThanOrEqual(descriptors + 1);
});

it('viewers that do not read cost no memory, and lose nothing', async () => {
  const viewersOfKind = 15;
  const lines = 40_000;
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  await write(client, 'a', 1_000, 'x'.repeat(1_000));
  const viewers = await Promise.all(upTo(viewersOfKind).map(() => SseClient.open(`${server.http}${STREAM}/a`)));
  const sockets = upTo(viewersOfKind).map(() => new SocketViewer(server, 'a'));
  await Promise.all(sockets.map(({ socket }) => once(socket, 'open')));
  for (const viewer of viewers) {
    viewer.pause();
  }
  for (const { socket } of sockets) {
    socket.pause();
  }
  const grown = watchRss(server.pid);
  for (let done = 1_000; done < lines; done += 3_000) {
    await write(client, 'a', 3_000, 'x'.repeat(1_000));
  }
  // Held for each of them, it would be 30 times 40 MB.
  expect(grown()).toBeLessThan(300e6);
  for (const viewer of viewers) {
    viewer.resume();
  }
  for (const { socket } of sockets) {
    socket.resume();
  }
  for (const viewer of viewers) {
    await expect.poll(() => viewer.events.length, { timeout: 120_000, interval: 200 }).toBeGreaterThanOrEqual(lines);
    expect(viewer.seqs()).toEqual(upTo(lines));
    await viewer.close();
  }
  for (const { seqs, socket } of sockets) {
    await expect.poll(() => seqs.length, { timeout: 120_000, interval: 200 }).toBe(lines);
    expect(seqs).toEqual(upTo(lines));
    socket.terminate();
  }
}, 300_000);

it('a server that is told to stop tells its viewers, after the last line', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  await write(client, 'a', 3);
  await using one = await SseClient.open(`${server.http}${STREAM}/a`);
  await using all = await SseClient.open(`${server.http}${STREAM}`);
  const socket = new SocketViewer(server, 'a');
  await expect.poll(() => [...one.seqs(), ...socket.seqs]).toEqual([1, 2, 3, 1, 2, 3]);
  const writing = client.open();
  await writing.send({ session_id: 'a', content: 'last' });
  await expect.poll(() => one.seqs().length).toBe(4);

  expect(await server.end('SIGTERM')).toBe(0);

  expect(await Promise.all([one.ended, all.ended, socket.closed])).toEqual([true, true, 1001]);
  expect(one.events.map(({ event }) => event)).toEqual(['log', 'log', 'log', 'log', 'error']);
  expect(one.events.at(-1)?.data).toContain('"retry":true');
  expect(socket.types).toEqual(['log', 'log', 'log', 'log', 'error']);
});

it('thousands that come and go quickly leave nothing behind', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  await write(client, 'a', 100);
  const descriptors = openDescriptors(server.pid);
  for (let round = 0; round < 30; round++) {
    const sockets = upTo(30).map(() => new SocketViewer(server, 'a'));
    await Promise.all([
      ...upTo(40).map(async () => (await SseClient.open(`${server.http}${STREAM}/a`)).close()),
      ...upTo(10).map(async () => (await SseClient.open(`${server.http}${STREAM}`)).close()),
      ...sockets.map(({ socket, closed }, index) => {
        setImmediate(() => (index % 2 === 0 ? socket.terminate() : socket.close()));
        return closed;
      }),
    ]);
  }
  await expect
    .poll(async () => [...(await metric(server.http, 'logweir_viewers_open')).values()])
    .toEqual([0, 0, 0, 0]);
  await expect.poll(() => openDescriptors(server.pid)).toBeLessThanOrEqual(descriptors + 1);
  expect(server.log()).not.toMatch(/"level":"(?:error|fatal|warn)"/);
});
