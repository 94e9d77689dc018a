/**
 * A viewer of server-sent events whose connection broke before an event with an id had come asked again without Last-Event-ID: `tail` was
 * counted anew, from an end that had moved, and lines in between never came.
 */
import { describe, expect, it } from 'vitest';
import type { FrameFields } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { SseClient } from '../support/sse-client.js';

const STREAM = '/api/v1/log-streaming/stream';

const seqsFrom = (first: number, count: number): number[] => Array.from({ length: count }, (_, index) => first + index);

interface Room extends AsyncDisposable {
  readonly server: ServerProcess;
  write(count: number, fields?: (index: number) => Partial<FrameFields>): Promise<void>;
}

async function serverRoom(): Promise<Room> {
  const directory = await temporaryDirectory();
  const server = await startServer({ LOG_DIR: directory.path });
  const client = new LogClient(server.grpc);
  return {
    server,
    async write(count, fields = () => ({})) {
      const frames = Array.from({ length: count }, (_, index) => ({
        session_id: 's',
        content: 'line',
        ...fields(index),
      }));
      expect(await client.write(frames)).toMatchObject({ ok: true });
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

describe('a viewer whose connection breaks before its first event', () => {
  it('gets every line behind the end that it began at, once', async () => {
    await using room = await serverRoom();
    await room.write(5);
    await using first = await SseClient.open(`${room.server.http}${STREAM}/s?tail=0`);
    await first.opened;
    const again = await first.break();
    await room.write(20);
    await using second = await again();
    await second.opened;
    await room.write(5);
    await expect.poll(() => second.seqs()).toEqual(seqsFrom(6, 25));
    expect(first.events).toEqual([]);
  });

  it('gets the line that its filter waited for, however many came behind that', async () => {
    await using room = await serverRoom();
    await room.write(12);
    await using first = await SseClient.open(`${room.server.http}${STREAM}/s?tail=10&role=stderr`);
    await first.opened;
    const again = await first.break();
    await room.write(20, (index) => ({ role: index === 2 ? 'stderr' : 'stdout' }));
    await using second = await again();
    await expect.poll(() => second.seqs()).toEqual([15]);
    expect(first.events).toEqual([]);
  });

  it('goes on where it began, however often that happens', async () => {
    await using room = await serverRoom();
    await room.write(3);
    let viewer = await SseClient.open(`${room.server.http}${STREAM}/s?tail=1&keywords=last`);
    for (let round = 0; round < 3; round++) {
      expect(await viewer.opened).toBe('2');
      const again = await viewer.break();
      await room.write(4);
      viewer = await again();
    }
    await room.write(1, () => ({ content: 'last' }));
    await expect.poll(() => viewer.seqs()).toEqual([16]);
    await viewer.close();
  });

  it('is told that it missed something of all sessions', async () => {
    await using room = await serverRoom();
    let viewer = await SseClient.open(`${room.server.http}${STREAM}`);
    for (let round = 0; round < 2; round++) {
      await viewer.opened;
      const again = await viewer.break();
      await room.write(1);
      viewer = await again();
      await expect.poll(() => viewer.events).toEqual([{ id: null, event: 'gap', data: '{"last_event_id":"/0"}' }]);
    }
    await viewer.close();
  });
});

describe('the beginning of a stream', () => {
  it('has the id of the place behind which its lines come', async () => {
    await using room = await serverRoom();
    await room.write(5);
    for (const [query, lastEventId, id, seqs] of [
      ['', undefined, '0', [1, 2, 3, 4, 5]],
      ['?after_seq=2', undefined, '2', [3, 4, 5]],
      ['?tail=2', undefined, '3', [4, 5]],
      ['?tail=9', undefined, '0', [1, 2, 3, 4, 5]],
      ['?tail=2', '1', '1', [2, 3, 4, 5]],
      ['?after_seq=2', '4', '4', [5]],
    ] as const) {
      const headers = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
      await using stream = await SseClient.open(`${room.server.http}${STREAM}/s${query}`, headers);
      expect(await stream.opened, query).toBe(id);
      await expect.poll(() => stream.seqs(), { message: query }).toEqual(seqs);
    }
  });
});
