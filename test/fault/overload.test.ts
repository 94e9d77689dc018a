/**
 * Overload: agents bring ten times what the disk takes, to a process of little memory. Every frame that is not stored is
 * reported to its sender, nothing that was acknowledged is missing, and memory follows configuration.
 */
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { metric, watchRss } from '../support/process-use.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';
import { amount, measured } from './amounts.js';

const SERVER = fileURLToPath(new URL('narrow-disk-server.mjs', import.meta.url));
const MIB = 1024 * 1024;
const DISK_BYTES_PER_SECOND = MIB;
/** Of each 10 s: longer than a stream may wait. */
const DISK_STALL_MS = 8000;
const FRAME_BYTES = 8000;
const CALL_FRAMES = 75;
const AGENTS = 40;
const SECONDS = amount(12, 120);
/** Queues of 1 and 4 MiB, buffers that are kept for use again, and what Node itself needs under load. */
const RSS_GROWTH_MAX = 150 * MIB;

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess;

beforeAll(async () => {
  directory = await temporaryDirectory();
  server = await startServer(
    {
      LOG_DIR: directory.path,
      DISK_BYTES_PER_SECOND: String(DISK_BYTES_PER_SECOND),
      DISK_STALL_MS: String(DISK_STALL_MS),
      LOG_MAX_QUEUE_BYTES: String(MIB),
      LOG_MAX_SESSION_QUEUE_BYTES: String(MIB / 4),
      LOG_MAX_FRAME_BYTES: '65536',
      LOG_IDLE_SECONDS: '3600',
      GRPC_MAX_RECEIVE_BYTES: String(4 * MIB),
      UV_THREADPOOL_SIZE: '16',
    },
    [],
    ['--max-old-space-size=96', SERVER],
  );
});

afterAll(async () => {
  await server.end('SIGKILL');
  await directory[Symbol.asyncDispose]();
});

/** What an agent knows of what it sent. */
interface Journal {
  readonly session: string;
  readonly acknowledged: Set<string>;
  offered: number;
  refused: number;
  /** Of the calls that were not acknowledged. */
  readonly codes: number[];
}

const content = (id: string): string => id.padEnd(FRAME_BYTES, '.');

/** One call of WriteLogStream: the frames are stored, or the status says that they may not be. */
async function callOfFrames(client: LogClient, journal: Journal, ids: readonly string[]): Promise<void> {
  const answer = await client.write(ids.map((id) => ({ session_id: journal.session, content: content(id) })));
  if (answer.ok) {
    expect(answer.response.frames_written).toBe(ids.length);
    ids.forEach((id) => journal.acknowledged.add(id));
  } else {
    journal.refused += ids.length;
    journal.codes.push(answer.code);
  }
}

/** One call of WriteLogBatches: what no acknowledgement covers is reported by the status. */
async function callOfBatches(client: LogClient, journal: Journal, ids: readonly string[]): Promise<void> {
  const stream = client.openBatches();
  ids.forEach((id, index) => stream.send(index + 1, [{ session_id: journal.session, content: content(id) }]));
  const { code } = await stream.finish();
  const covered = stream.acks.at(-1)?.batch_id ?? 0;
  ids.slice(0, covered).forEach((id) => journal.acknowledged.add(id));
  if (covered < ids.length) {
    journal.refused += ids.length - covered;
    journal.codes.push(code);
  }
}

async function runAgent(index: number, untilMs: number): Promise<Journal> {
  const journal: Journal = { session: `agent-${index}`, acknowledged: new Set(), offered: 0, refused: 0, codes: [] };
  using client = new LogClient(server.grpc);
  while (performance.now() < untilMs) {
    const ids = Array.from({ length: CALL_FRAMES }, (_, frame) => `${journal.offered + frame}`);
    journal.offered += ids.length;
    await (index % 2 === 0 ? callOfFrames : callOfBatches)(client, journal, ids);
  }
  return journal;
}

async function storedOf(session: string): Promise<string[]> {
  return (await storedLines(directory.path, session)).map((line) => (line.content ?? '').replace(/\.+$/, ''));
}

test('every frame that was not stored is reported, nothing acknowledged is missing, and RSS stays within its budget', async () => {
  const peak = watchRss(server.pid);
  const startedMs = performance.now();
  const journals = await Promise.all(
    Array.from({ length: AGENTS }, (_, index) => runAgent(index, startedMs + SECONDS * 1000)),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  // The process answers, and goes on as soon as the load is gone.
  expect((await fetch(`${server.http}/healthz`)).status).toBe(200);
  using client = new LogClient(server.grpc);
  await expect.poll(async () => (await client.write([{ session_id: 'after' }])).ok, { timeout: 60_000 }).toBe(true);
  await expect
    .poll(async () => (await metric(server.http, 'logweir_queue_bytes')).get(''), { timeout: 60_000 })
    .toBe(0);

  let stored = 0;
  for (const { session, acknowledged, codes } of journals) {
    const lines = await storedOf(session);
    stored += lines.length;
    const unique = new Set(lines);
    expect(unique.size).toBe(lines.length);
    expect([...acknowledged].filter((id) => !unique.has(id))).toEqual([]);
    expect(codes).toEqual(codes.map(() => status.RESOURCE_EXHAUSTED));
  }
  const total = (of: (journal: Journal) => number): number => journals.reduce((sum, journal) => sum + of(journal), 0);
  const [offered, acknowledged, refused] = [
    total((j) => j.offered),
    total((j) => j.acknowledged.size),
    total((j) => j.refused),
  ];
  expect(acknowledged + refused).toBe(offered);
  const taken = DISK_BYTES_PER_SECOND * (1 - DISK_STALL_MS / 10_000) * seconds;
  expect(offered * FRAME_BYTES).toBeGreaterThan(5 * taken);
  expect(refused).toBeGreaterThan(acknowledged);
  expect((await metric(server.http, 'logweir_streams_ended_total')).get('reason="overload"')).toBeGreaterThan(0);
  expect(peak()).toBeLessThan(RSS_GROWTH_MAX);
  measured('overload', {
    'frames offered': offered,
    acknowledged,
    'reported as not stored': refused,
    'times what the disk takes': Math.round((offered * FRAME_BYTES) / taken),
    'RSS growth MiB': Math.round(peak() / MIB),
  });
  expect(stored).toBeGreaterThanOrEqual(acknowledged);
});
