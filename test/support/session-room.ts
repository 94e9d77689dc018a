import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SessionReader } from '../../src/reading/session-reader.js';
import { type Clock, systemClock } from '../../src/segment/clock.js';
import type { Files } from '../../src/segment/files.js';
import { type Layout, layoutOf } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { Quarantine } from '../../src/segment/quarantine.js';
import { Recovery } from '../../src/segment/recovery.js';
import type { SealedSegment } from '../../src/segment/sealed-segment.js';
import { SessionHistories } from '../../src/segment/session-history.js';
import { Sessions, type SessionsOptions } from '../../src/session/sessions.js';
import type { SessionHistory } from '../../src/session/writer-context.js';
import { encodeFrame, type FrameFields } from './frames.js';

/** A directory that is gone after the test. */
export async function temporaryDirectory(
  prefix = 'logweir-',
): Promise<{ path: string; [Symbol.asyncDispose](): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export interface SessionRoom {
  readonly sessions: Sessions;
  readonly layout: Layout;
  readonly sealed: SealedSegment[];
  readonly failures: string[];
  readonly counts: SessionsOptions['counts'];
  /** Takes a frame through an intake of its own, unless given; throws what it refuses. */
  take(fields: FrameFields): Promise<void>;
}

export interface SessionRoomOptions {
  files?: Files;
  clock?: Clock;
  maxBytes?: number;
  maxAgeMs?: number;
  idleMs?: number;
  fsync?: 'ack' | 'never';
  maxOpenFiles?: number;
  maxQueueBytes?: number;
  busyShare?: () => number;
  maxSessionQueueBytes?: number;
  onDurable?: (seconds: number) => void;
}

/** The session room over a real directory, with nothing behind it: sealed segments stay where they are. */
export async function openSessionRoom(root: string, options: SessionRoomOptions = {}): Promise<SessionRoom> {
  const layout = layoutOf(root);
  const files = options.files ?? nodeFiles;
  const clock = options.clock ?? systemClock;
  for (const directory of [layout.active, layout.sealing, layout.sessions, layout.outbox, layout.quarantine]) {
    await files.makeDirectory(directory);
  }
  const sealed: SealedSegment[] = [];
  const failures: string[] = [];
  const counts = {
    framesReceived: 0,
    framesWritten: 0,
    framesDuplicate: 0,
    bytesReceived: 0,
    bytesWritten: 0,
    batchesWritten: 0,
  };
  const quarantine = new Quarantine(files, layout);
  const histories = new SessionHistories({ files, layout, quarantine, report: () => undefined });
  const findHistory = async (sessionId: string): Promise<SessionHistory> => {
    const last = sealed.findLast((segment) => segment.summary.sessionId === sessionId)?.summary ?? null;
    return { ...(await histories.stored(sessionId, last)), active: null };
  };
  const sessions = new Sessions({
    files,
    clock,
    layout,
    limits: { maxBytes: options.maxBytes ?? 1 << 30, maxAgeMs: options.maxAgeMs ?? 1e9, idleMs: options.idleMs ?? 1e9 },
    fsync: options.fsync ?? 'ack',
    flushIntervalMs: 200,
    maxFrameBytes: 1 << 20,
    maxQueueBytes: options.maxQueueBytes ?? 1 << 28,
    maxSessionQueueBytes: options.maxSessionQueueBytes ?? 1 << 23,
    maxOpenFiles: options.maxOpenFiles ?? 100,
    counts,
    events: {
      sealed: (segment) => sealed.push(segment),
      written: () => undefined,
      synced: () => undefined,
      durable: (seconds) => options.onDurable?.(seconds),
      failed: (_sessionId, error) => failures.push(error.errno),
      recovered: () => undefined,
    },
    findHistory,
    busyShare: options.busyShare ?? (() => 0),
    readLines: (sessionId, afterSeq) => new SessionReader(files, layout).linesIfAny(sessionId, afterSeq),
  });
  const recovered = await new Recovery(files, layout, () => undefined).run();
  sealed.push(...recovered.sealed);
  const nowMs = clock.monotonicMs();
  for (const { summary } of recovered.active) {
    const { sessionId, lastSeq, producers } = summary;
    sessions.registry.adopt(sessionId, {
      lastSeq,
      producers,
      active: { summary, openedAtMs: nowMs, lastActiveMs: nowMs },
    });
  }
  return {
    sessions,
    layout,
    sealed,
    failures,
    counts,
    async take(fields) {
      const intake = sessions.newIntake();
      const frame = encodeFrame(fields);
      const problem = await intake.take(frame, 0, frame.length);
      if (problem !== null) {
        throw new Error(`${problem.field} ${problem.reason}`);
      }
      await intake.settle();
    },
  };
}
