import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { LogLines } from '../../src/reading/log-events.js';
import { LiveCore } from '../reading/live-core.js';
import { temporaryDirectory } from '../support/session-room.js';
import { amount, measured } from './amounts.js';

const BINARY = fileURLToPath(new URL('../../dist/logweir.cjs', import.meta.url));
const SESSIONS = 10;
const VIEWERS = 100;
/** As processes, of history alone; the others follow, in the process that takes the frames. */
const PROCESSES = amount(10, 40);
/** Lines of each session before the viewers come: more than a pipe and the buffers at its ends hold. */
const LINES_BEFORE = 4_000;
const LINES_WHILE_STALLED = amount(10_000, 80_000);
const BATCH_FRAMES = 200;
/** What the process may grow by while all stand still: a chunk for each viewer, the hub's chunks, the queues. */
const GROWTH_MIB_MAX = 250;
const WAITING = { timeout: 60_000, interval: 5 };

const idOf = (session: number) => `session-${session}`;
const contentOf = (session: number, seq: number) => `${session}:${seq} ${'.'.repeat(120 + (seq % 60))}`;
const rssMib = () => process.memoryUsage.rss() / (1 << 20);

/** An agent of one session. */
class Agent {
  /** Every frame up to this seq is durable. */
  durable = 0;
  readonly #live: LiveCore;
  readonly #session: number;

  constructor(live: LiveCore, session: number) {
    this.#live = live;
    this.#session = session;
  }

  async sendUpTo(frames: number): Promise<void> {
    while (this.durable < frames) {
      const batch = Array.from({ length: BATCH_FRAMES }, (_, index) => ({
        session_id: idOf(this.#session),
        content: contentOf(this.#session, this.durable + index + 1),
      }));
      await this.#live.take(batch);
      this.durable += BATCH_FRAMES;
    }
  }

  async sendUntil(isOver: () => boolean): Promise<number> {
    while (!isOver()) {
      await this.sendUpTo(this.durable + BATCH_FRAMES);
    }
    return this.durable;
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
  /** What was durable when it began: it must come at least so far. */
  readonly storedBefore: number;
  /** Reads to its end. */
  goOn(): Promise<void>;
}

/** A viewer that follows, took a chunk and stopped. */
async function stalledFollower(live: LiveCore, session: number, afterSeq: number, stored: number): Promise<Viewer> {
  const checklist = new Checklist(session, afterSeq);
  const take = (lines: LogLines): void => checklist.take(lines.bytes);
  const events = live.logs.read(idOf(session), { afterSeq, follow: true });
  const first = await events.next();
  if (first.done === true || first.value.kind !== 'lines') {
    throw new Error('no lines at first');
  }
  take(first.value.lines);
  const goOn = async (): Promise<void> => {
    let end = 0;
    for await (const event of events) {
      if (event.kind === 'gap') {
        throw new Error(`session ${session}: nothing is gone, not even ${event.firstSeq}-${event.lastSeq}`);
      }
      if (event.kind === 'end') {
        end = event.lastSeq;
      } else {
        take(event.lines);
      }
    }
    expect(checklist.seq).toBe(end);
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
    const [code] = await closed;
    expect([code, complaint, open.length]).toEqual([0, '', 0]);
  };
  return { session, checklist, storedBefore: stored, goOn, child };
}

async function finishedSegments(root: string): Promise<number> {
  let finished = 0;
  for (let session = 0; session < SESSIONS; session++) {
    const names = await readdir(join(root, 'sessions', idOf(session))).catch(() => []);
    finished += names.filter((name) => name.endsWith('.json')).length;
  }
  return finished;
}

test('slow viewer: ingest goes on unharmed by 100 stalled viewers, and each of them gets every line, once, in order', async () => {
  await using directory = await temporaryDirectory();
  await using live = await LiveCore.open(directory.path, {
    maxSegmentBytes: 250_000,
    maxQueueBytes: 32 << 20,
    // Segments wait for it: they are moved while viewers look at them.
    compressionWorkers: 1,
    gzipLevel: 9,
  });
  const agents = Array.from({ length: SESSIONS }, (_, session) => new Agent(live, session));
  const viewers: Viewer[] = [];
  const processes: StalledProcess[] = [];
  try {
    await Promise.all(agents.map((agent) => agent.sendUpTo(LINES_BEFORE)));

    // While frames come in and segments move: the viewers begin on moving ground.
    let haveBegun = false;
    const writing = Promise.all(agents.map((agent) => agent.sendUntil(() => haveBegun)));
    const begin = (index: number) => {
      const session = index % SESSIONS;
      const stored = agents[session]?.durable ?? 0;
      // Some in history, some at its end.
      return { session, afterSeq: index % 3 === 0 ? stored : (index * 37) % (LINES_BEFORE / 2), stored };
    };
    for (let index = PROCESSES; index < VIEWERS; index++) {
      const { session, afterSeq, stored } = begin(index);
      viewers.push(await stalledFollower(live, session, afterSeq, stored));
    }
    const starting = Array.from({ length: PROCESSES }, (_, index) => ({ ...begin(index), afterSeq: index * 37 }));
    processes.push(
      ...(await Promise.all(
        starting.map(({ session, afterSeq, stored }) => stalledProcess(directory.path, session, afterSeq, stored)),
      )),
    );
    haveBegun = true;
    const goal = Math.max(...(await writing)) + LINES_WHILE_STALLED;

    // All of them stand still from here on; the frames behind this are durable all the same.
    const rssBefore = rssMib();
    const finishedBefore = await finishedSegments(directory.path);
    await Promise.all(agents.map((agent) => agent.sendUpTo(goal)));
    expect(agents.map(({ durable }) => durable)).toEqual(agents.map(() => goal));
    await expect
      .poll(() => finishedSegments(directory.path), { timeout: 60_000 })
      .toBeGreaterThan(finishedBefore + SESSIONS);
    const finished = (await finishedSegments(directory.path)) - finishedBefore;
    expect(processes.map(({ child }) => child.exitCode)).toEqual(processes.map(() => null));
    const growth = rssMib() - rssBefore;
    expect(growth).toBeLessThan(GROWTH_MIB_MAX);
    expect(live.hub.heldBytes).toBeLessThanOrEqual(SESSIONS << 20);
    expect(live.reader.places.busy).toBe(0);

    // They go on; each process comes as far as was stored when it began, each follower to the end of its session.
    await Promise.all(agents.map((_agent, session) => live.complete(idOf(session))));
    let lines = 0;
    for (const viewer of [...processes, ...viewers]) {
      const cursor = viewer.checklist.seq;
      await viewer.goOn();
      expect(viewer.checklist.seq).toBeGreaterThanOrEqual(viewer.storedBefore);
      lines += viewer.checklist.seq - cursor;
    }
    expect(viewers.map(({ checklist }) => checklist.seq)).toEqual(viewers.map(() => goal));
    expect([live.hub.watchedSessions, live.hub.heldBytes]).toEqual([0, 0]);
    await expect.poll(() => live.reader.places.busy, WAITING).toBe(0);
    measured('slow viewer', {
      'stalled viewers': VIEWERS,
      'of them following, in the process that takes the frames': viewers.length,
      'of them processes': processes.length,
      'frames acknowledged meanwhile': SESSIONS * LINES_WHILE_STALLED,
      'segments finished while all stood still': finished,
      'RSS grew by, MiB': Math.round(growth),
      'lines read by viewers afterwards': lines,
    });
  } finally {
    for (const { child } of processes) {
      child.kill('SIGKILL');
    }
  }
});
