import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { SessionReader } from '../../src/reading/session-reader.js';
import { type Layout, layoutOf } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { encodeFrame } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { amount, measured } from './amounts.js';

const BINARY = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));
const SESSIONS = 10;
const VIEWERS = 100;
/** As processes; the others are in this one. */
const PROCESSES = amount(10, 40);
/** Lines of each session before the viewers come: more than a pipe and the buffers at its ends hold. */
const LINES_BEFORE = 4_000;
const LINES_WHILE_STALLED = amount(5_000, 80_000);
const BATCH_FRAMES = 200;
const RSS_MIB_MAX = 400;
const WAITING = { timeout: 60_000, interval: 5 };

const idOf = (session: number) => `session-${session}`;
const contentOf = (session: number, seq: number) => `${session}:${seq} ${'.'.repeat(120 + (seq % 60))}`;

/** An agent that sends batches of a session, a few ahead of their acknowledgements. */
class Agent implements Disposable {
  readonly #session: number;
  readonly #client: LogClient;
  readonly #stream: ReturnType<LogClient['openBatches']>;
  #sent = 0;
  /** Every frame up to this seq is acknowledged as durable. */
  acknowledged = 0;

  constructor(address: string, session: number) {
    this.#session = session;
    this.#client = new LogClient(address);
    this.#stream = this.#client.openBatches();
  }

  /** Sends until so many frames were sent in all; resolves when all are acknowledged. */
  async sendUpTo(frames: number): Promise<void> {
    while (this.#sent < frames) {
      const batch = Array.from({ length: BATCH_FRAMES }, (_, index) =>
        encodeFrame({ session_id: idOf(this.#session), content: contentOf(this.#session, this.#sent + index + 1) }),
      );
      this.#sent += BATCH_FRAMES;
      this.#stream.send(this.#sent, batch);
      await this.#acknowledgedUpTo(this.#sent - 3 * BATCH_FRAMES);
    }
    await this.#acknowledgedUpTo(this.#sent);
  }

  /** Sends until told to stop; resolves with the count of frames when all are acknowledged. */
  async sendUntil(isOver: () => boolean): Promise<number> {
    while (!isOver()) {
      await this.sendUpTo(this.#sent + BATCH_FRAMES);
    }
    return this.#sent;
  }

  async #acknowledgedUpTo(frames: number): Promise<void> {
    if (frames <= 0) {
      return;
    }
    await this.#stream.acknowledged(frames);
    const last = this.#stream.acks.at(-1);
    expect([last?.durable, last?.rejected]).toEqual([true, []]);
    this.acknowledged = Math.max(this.acknowledged, last?.batch_id ?? 0);
  }

  [Symbol.dispose](): void {
    this.#stream.cancel();
    this.#client[Symbol.dispose]();
  }
}

/** Holds a session's lines, from a cursor on, against what was sent. */
class Checklist {
  readonly #session: number;
  /** Of the last line that was seen. */
  seq: number;

  constructor(session: number, afterSeq: number) {
    this.#session = session;
    this.seq = afterSeq;
  }

  take(lines: Buffer): void {
    for (const text of lines.toString().split('\n').slice(0, -1)) {
      const line = JSON.parse(text) as { seq: number; content: string };
      const due = this.seq + 1;
      if (line.seq !== due || line.content !== contentOf(this.#session, due)) {
        throw new Error(`session ${this.#session}: ${text} where seq ${due} is due`);
      }
      this.seq = due;
    }
  }
}

interface Viewer {
  readonly session: number;
  readonly checklist: Checklist;
  /** What was acknowledged when it began: it must come at least so far. */
  readonly storedBefore: number;
  /** Reads to its end. */
  goOn(): Promise<void>;
}

/** A reader that took a chunk and stopped. */
async function stalledReader(layout: Layout, session: number, afterSeq: number, stored: number): Promise<Viewer> {
  const checklist = new Checklist(session, afterSeq);
  const chunks = new SessionReader(nodeFiles, layout).linesIfAny(idOf(session), afterSeq);
  const take = async (): Promise<boolean> => {
    const { done, value } = await chunks.next();
    if (done !== true) {
      checklist.take(value);
    }
    return done !== true;
  };
  await take();
  expect(checklist.seq).toBeGreaterThan(afterSeq);
  expect(checklist.seq).toBeLessThan(stored);
  const goOn = async (): Promise<void> => {
    while (await take()) {
      // The checklist has it.
    }
  };
  return { session, checklist, storedBefore: stored, goOn };
}

interface StalledProcess extends Viewer {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
}

/** `logweir cat` into a pipe that nobody reads. */
async function stalledProcess(
  root: string,
  session: number,
  afterSeq: number,
  stored: number,
): Promise<StalledProcess> {
  const args = [BINARY, 'cat', idOf(session), '--dir', root, '--after-seq', String(afterSeq)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const checklist = new Checklist(session, afterSeq);
  // It has begun: its first bytes are there, and stay.
  await once(child.stdout, 'readable');
  const goOn = async (): Promise<void> => {
    let complaint = '';
    child.stderr.on('data', (text: Buffer) => {
      complaint += text.toString();
    });
    const closed = once(child, 'close');
    let open = Buffer.alloc(0);
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      const bytes = Buffer.concat([open, chunk]);
      const end = bytes.lastIndexOf(0x0a) + 1;
      checklist.take(bytes.subarray(0, end));
      open = bytes.subarray(end);
    }
    expect(open.length).toBe(0);
    const [code] = await closed;
    expect([code, complaint]).toEqual([0, '']);
  };
  return { session, checklist, storedBefore: stored, goOn, child };
}

async function sealingSegments(root: string, session: number): Promise<number> {
  return (await readdir(join(root, 'sealing', idOf(session))).catch(() => [])).length;
}

async function finishedSegments(root: string): Promise<number> {
  let finished = 0;
  for (let session = 0; session < SESSIONS; session++) {
    const names = await readdir(join(root, 'sessions', idOf(session))).catch(() => []);
    finished += names.filter((name) => name.endsWith('.json')).length;
  }
  return finished;
}

async function rssMib(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
}

test('slow viewer: ingest goes on unharmed by 100 stalled viewers, and each of them gets every line, once, in order', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({
    LOG_DIR: directory.path,
    LOG_MAX_SIZE_BYTES: '250000',
    LOG_MAX_QUEUE_BYTES: String(32 << 20),
    // Segments wait for it: they are moved while viewers look at them.
    LOG_COMPRESSION_WORKERS: '1',
    LOG_GZIP_LEVEL: '9',
  });
  const layout = layoutOf(directory.path);
  const agents = Array.from({ length: SESSIONS }, (_, session) => new Agent(server.grpc, session));
  const viewers: Viewer[] = [];
  const processes: StalledProcess[] = [];
  try {
    await Promise.all(agents.map((agent) => agent.sendUpTo(LINES_BEFORE)));
    const rssBefore = await rssMib(server.pid, 'VmRSS');

    // While frames come in and segments move: the viewers begin on moving ground.
    let haveBegun = false;
    const writing = Promise.all(agents.map((agent) => agent.sendUntil(() => haveBegun)));
    const begin = (index: number) => {
      const session = index % SESSIONS;
      return { session, afterSeq: (index * 37) % (LINES_BEFORE / 2), stored: agents[session]?.acknowledged ?? 0 };
    };
    let movedOn = 0;
    for (let index = PROCESSES; index < VIEWERS; index++) {
      const { session, afterSeq, stored } = begin(index);
      if (index % 4 === 0) {
        // What it finds under sealing/ will be elsewhere when it comes to it.
        await expect.poll(() => sealingSegments(directory.path, session), WAITING).toBeGreaterThan(0);
        movedOn++;
      }
      viewers.push(await stalledReader(layout, session, afterSeq, stored));
    }
    const starting = Array.from({ length: PROCESSES }, (_, index) => begin(index));
    processes.push(
      ...(await Promise.all(
        starting.map(({ session, afterSeq, stored }) => stalledProcess(directory.path, session, afterSeq, stored)),
      )),
    );
    haveBegun = true;
    const goal = Math.max(...(await writing)) + LINES_WHILE_STALLED;

    // All of them stand still from here on; the frames behind this are acknowledged all the same.
    const finishedBefore = await finishedSegments(directory.path);
    await Promise.all(agents.map((agent) => agent.sendUpTo(goal)));
    expect(agents.map(({ acknowledged }) => acknowledged)).toEqual(agents.map(() => goal));
    await expect
      .poll(() => finishedSegments(directory.path), { timeout: 60_000 })
      .toBeGreaterThan(finishedBefore + SESSIONS);
    const finished = (await finishedSegments(directory.path)) - finishedBefore;
    expect(processes.map(({ child }) => child.exitCode)).toEqual(processes.map(() => null));
    const rssPeak = await rssMib(server.pid, 'VmHWM');
    expect(rssPeak).toBeLessThan(RSS_MIB_MAX);

    // They go on, a few at a time; each comes as far as was stored when it began, and from there on reads the rest.
    let lines = 0;
    for (const viewer of [...processes, ...viewers]) {
      const cursor = viewer.checklist.seq;
      await viewer.goOn();
      expect(viewer.checklist.seq).toBeGreaterThanOrEqual(viewer.storedBefore);
      const rest = new SessionReader(nodeFiles, layout).linesIfAny(idOf(viewer.session), viewer.checklist.seq);
      for await (const chunk of rest) {
        viewer.checklist.take(chunk);
      }
      expect(viewer.checklist.seq).toBe(goal);
      lines += goal - cursor;
    }
    expect(await server.end('SIGTERM')).toBe(0);
    measured('slow viewer', {
      'stalled viewers': VIEWERS,
      'of them processes': processes.length,
      'of them begun with a segment under sealing/': movedOn,
      'frames acknowledged meanwhile': SESSIONS * LINES_WHILE_STALLED,
      'segments finished while all stood still': finished,
      'server RSS before, MiB': Math.round(rssBefore),
      'server RSS peak, MiB': Math.round(rssPeak),
      'lines read by viewers afterwards': lines,
    });
  } finally {
    for (const agent of agents) {
      agent[Symbol.dispose]();
    }
    for (const { child } of processes) {
      child.kill('SIGKILL');
    }
  }
});
