import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import type { FrameFields } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { ReaderClient, type SessionInfo } from '../support/reader-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

const FRAMES = 20_000;
const BATCH = 50;
const KILLS = 5;
const SESSION = 's';

interface Numbering {
  readonly frame: (number: number) => FrameFields;
  readonly reached: (info: SessionInfo) => number;
}

const NUMBERINGS: readonly (readonly [string, Numbering])[] = [
  [
    'producer_seq',
    {
      frame: (number) => ({ session_id: SESSION, content: `${number}`, producer_id: 'agent', producer_seq: number }),
      reached: (info) => info.producer_seq,
    },
  ],
  [
    'seq',
    {
      frame: (number) => ({ session_id: SESSION, content: `${number}`, seq: number }),
      reached: (info) => info.last_seq,
    },
  ],
];

/**
 * One life of an agent: it remembers nothing, asks how far its session has come, and goes on from there until it is done or its
 * server is gone. Resolves to the last number that was acknowledged to it, 0 for none.
 */
async function live(address: string, { frame, reached }: Numbering, onAcknowledged: (acknowledged: number) => void) {
  using reader = new ReaderClient(address);
  const info = await reader.getSession({ session_id: SESSION, producer_id: 'agent' });
  if ('code' in info && status[info.code] !== 'NOT_FOUND') {
    throw new Error(`${info.code}: ${info.details}`);
  }
  const after = 'code' in info ? 0 : reached(info);
  using writer = new LogClient(address);
  const stream = writer.openBatches();
  for (let first = after + 1; first <= FRAMES; first += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, FRAMES - first + 1) }, (_, index) => first + index);
    stream.send(numbers.at(-1) ?? 0, numbers.map(frame));
    if (first % (BATCH * 20) < BATCH) {
      // Several batches are under way at any time.
      await stream.acknowledged(Math.max(after, first - BATCH * 10)).catch(() => undefined);
    }
    onAcknowledged(stream.acks.at(-1)?.batch_id ?? 0);
  }
  await stream.finish();
  const acknowledged = stream.acks.at(-1)?.batch_id ?? 0;
  onAcknowledged(acknowledged);
  return { after, acknowledged };
}

test.each(NUMBERINGS)(
  'an agent without its memory goes on by GetSession after every kill -9 of the server: by %s, complete, in order, each once',
  { timeout: 240_000 },
  async (_name, numbering) => {
    await using directory = await temporaryDirectory();
    const environment = { LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '200000' };
    let acknowledged = 0;
    const resumedAfter: number[] = [];
    for (let life = 1; life <= KILLS; life++) {
      await using server = await startServer(environment);
      const goal = Math.floor((FRAMES * life) / (KILLS + 1));
      const { after } = await live(server.grpc, numbering, (reached) => {
        acknowledged = Math.max(acknowledged, reached);
        if (reached >= goal) {
          void server.end('SIGKILL');
        }
      });
      resumedAfter.push(after);
      await server.end('SIGKILL');
    }
    await using server = await startServer(environment);
    // Nothing that was acknowledged is asked for again.
    const last = await live(server.grpc, numbering, () => undefined);
    expect(last.after).toBeGreaterThanOrEqual(acknowledged);
    expect(last.acknowledged).toBe(FRAMES);
    expect(new Set(resumedAfter).size).toBe(KILLS);
    using reader = new ReaderClient(server.grpc);
    const info = await reader.session(SESSION, 'agent');
    expect(numbering.reached(info)).toBe(FRAMES);
    expect(info.segments).toBeGreaterThan(1);
    // Segments that are still being finished would move while they are read.
    await server.end('SIGTERM');
    const lines = await storedLines(directory.path, SESSION);
    expect(lines.map(({ content }) => content)).toEqual(Array.from({ length: FRAMES }, (_, index) => `${index + 1}`));
    expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: FRAMES }, (_, index) => index + 1));
  },
);
