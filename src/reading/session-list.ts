/** What sessions there are and how far each has come, from names, sizes and a few bytes of each newest file. */

import { NotALine } from '../frame/json-reader.js';
import { type Completion, completionOf, newestCompletion, standingAt } from '../segment/completion-record.js';
import type { Files, OpenFile } from '../segment/files.js';
import { ACTIVE_SUFFIX, type Layout, sessionIdOfName, sessionName } from '../segment/layout.js';
import { lineTime } from '../segment/line.js';
import { isNotAFile } from '../segment/not-a-file.js';
import { InflatedMembers } from './inflated-members.js';
import type { LogLines } from './log-events.js';
import { FileMoved, firstSeqOf, hasMoved, PlacedFiles, withFile } from './placed-files.js';
import { planSegments, type SegmentFile } from './plan.js';
import { RawChunks } from './raw-chunks.js';
import { rawLines } from './raw-lines.js';
import { ReadPlaces } from './read-places.js';
import { manifestOf } from './segment-bytes.js';
import { segmentLines } from './segment-lines.js';
import { type ActiveFile, type Snapshot, takeSnapshot } from './snapshot.js';
import { nextLine } from './stored-line.js';
import { linesBackwards } from './tail-range.js';

export interface SessionSummary {
  readonly sessionId: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** The active one included. */
  readonly segments: number;
  /** On the disk, compressed where it is. */
  readonly storedBytes: number;
  /** The `time` of the last line, as it stands there. */
  readonly lastTime: string;
  /** `active`: a segment is open or being sealed. */
  readonly state: 'active' | 'idle';
  /** How it ended; null while it goes on. */
  readonly completion: Completion | null;
}

/** How often files may vanish from under one row. */
const MISSES_MAX = 20;
/** `{"seq":…,"time":"…"` fits in. */
const LINE_HEAD_BYTES = 128;

/**
 * Sessions whose id begins with `prefix`, by the names they have on disk. A session without a single line is left out.
 * @param afterName only those whose names come after it
 */
export async function* listSessions(
  files: Files,
  layout: Layout,
  prefix = '',
  afterName = '',
): AsyncGenerator<SessionSummary, void> {
  for (const name of await sessionNames(files, layout)) {
    const id = sessionIdOfName(name);
    if (name <= afterName || (id !== null && !id.startsWith(prefix))) {
      continue;
    }
    const summary = await summarizeSettled(files, layout, name);
    if (summary !== null && summary.sessionId.startsWith(prefix)) {
      yield summary;
    }
  }
}

/** One session; null when nothing of it can be read. */
export function summarizeSession(files: Files, layout: Layout, sessionId: string): Promise<SessionSummary | null> {
  return summarizeSettled(files, layout, sessionName(sessionId));
}

/** The names on disk that sessions may have. What moves meanwhile is not missed: places are listed in the direction of the movement. */
export async function sessionNames(files: Files, layout: Layout): Promise<string[]> {
  const active = (await files.list(layout.active))
    .filter((fileName) => fileName.endsWith(ACTIVE_SUFFIX))
    .map((fileName) => fileName.slice(0, -ACTIVE_SUFFIX.length));
  const sealing = await directoriesIn(files, layout.sealing);
  const finished = await directoriesIn(files, layout.sessions);
  return [...new Set([...active, ...sealing, ...finished])].toSorted();
}

/** Names that cannot be a session's (half-made files have a suffix of their own) turn out to hold no segments. */
async function directoriesIn(files: Files, directory: string): Promise<string[]> {
  return (await files.list(directory)).filter((name) => !name.startsWith('.'));
}

async function summarizeSettled(files: Files, layout: Layout, name: string): Promise<SessionSummary | null> {
  for (let misses = 0; ; misses++) {
    const snapshot = await takeSnapshot(files, layout, name);
    if (snapshot === null) {
      return null;
    }
    try {
      const summary = await summarize(files, name, snapshot);
      return summary === null ? null : await withCompletion(files, layout, name, summary);
    } catch (error) {
      if (!hasMoved(error) || misses >= MISSES_MAX) {
        throw error;
      }
    }
  }
}

type Lines = Omit<SessionSummary, 'completion'>;

async function withCompletion(files: Files, layout: Layout, name: string, lines: Lines): Promise<SessionSummary> {
  const record = await newestCompletion(files, layout, name);
  return { ...lines, completion: standingAt(lines.lastSeq, record === null ? null : completionOf(record)) };
}

async function summarize(files: Files, name: string, snapshot: Snapshot): Promise<Lines | null> {
  const segments = planSegments(snapshot.sealed, 0);
  const newest = segments.at(-1);
  const last = snapshot.active === null ? null : await lastLineOfActive(files, snapshot.active);
  // Sealed while it was being looked at: then it is counted among the sealed ones.
  const active = last !== null && last.seq > (newest?.lastSeq ?? 0) ? last : null;
  const firstSeq = segments[0]?.firstSeq ?? snapshot.active?.firstSeq ?? null;
  const lastSeq = active?.seq ?? newest?.lastSeq;
  if (firstSeq === null || lastSeq === undefined) {
    return null;
  }
  const sessionId = sessionIdOfName(name) ?? (await storedSessionId(files, snapshot, newest));
  if (sessionId === null) {
    return null;
  }
  const activeBytes = active === null ? 0 : (snapshot.active?.bytes ?? 0);
  const isSealing = segments.some((segment) => segment.state === 'sealing');
  return {
    sessionId,
    firstSeq,
    lastSeq,
    segments: segments.length + (active === null ? 0 : 1),
    storedBytes: activeBytes + (await bytesOf(files, segments)),
    lastTime: active?.time ?? (newest === undefined ? '' : await lastTimeOf(files, newest)),
    state: active !== null || isSealing ? 'active' : 'idle',
  };
}

async function bytesOf(files: Files, segments: readonly SegmentFile[]): Promise<number> {
  let bytes = 0;
  for (const segment of segments) {
    bytes += (await files.stat(segment.path))?.bytes ?? 0;
  }
  return bytes;
}

async function lastTimeOf(files: Files, segment: SegmentFile): Promise<string> {
  const manifest = segment.state === 'finished' ? await manifestOf(files, segment) : null;
  if (manifest !== null) {
    return manifest.last_time;
  }
  const last = segment.isGzip ? null : await lastLineOf(files, segment.path);
  return last?.time ?? new Date(segment.sealedAtMs).toISOString();
}

/** Null when it is no file, or has none. */
async function lastLineOf(files: Files, path: string): Promise<StoredPlace | null> {
  try {
    return await withFile(files, path, async (file) => lastLine(file, await file.size()));
  } catch (error) {
    if (isNotAFile(error)) {
      return null;
    }
    throw error;
  }
}

/** A name that was too long for its id: the id stands in every line, and in the manifest. Null when these are damaged, which `verify` says. */
async function storedSessionId(
  files: Files,
  snapshot: Snapshot,
  newest: SegmentFile | undefined,
): Promise<string | null> {
  const manifest = newest === undefined ? null : await manifestOf(files, newest);
  if (manifest !== null) {
    return manifest.session_id;
  }
  try {
    for await (const { bytes } of firstLines(new PlacedFiles(files, new ReadPlaces(1)), snapshot, newest)) {
      const line = JSON.parse(bytes.toString('utf8', 0, nextLine(bytes, 0))) as { session_id: string };
      return line.session_id;
    }
  } catch (error) {
    if (!(error instanceof NotALine || isNotAFile(error))) {
      throw error;
    }
  }
  return null;
}

async function* firstLines(
  files: PlacedFiles,
  { active }: Snapshot,
  newest: SegmentFile | undefined,
): AsyncGenerator<LogLines, void> {
  const access = {
    files,
    inflated: new InflatedMembers(files),
    raw: new RawChunks(files),
    sessionId: '',
    signal: undefined,
  };
  if (newest !== undefined) {
    yield* segmentLines(access, newest, 0);
  } else if (active !== null) {
    const { path, firstSeq, bytes } = active;
    yield* rawLines(access, { sessionId: '', path, firstSeq, end: bytes, grows: false }, 0);
  }
}

async function lastLineOfActive(files: Files, active: ActiveFile): Promise<StoredPlace | null> {
  return withFile(files, active.path, async (file) => {
    if ((await firstSeqOf(file)) !== active.firstSeq) {
      throw new FileMoved(active.path);
    }
    return lastLine(file, active.bytes);
  });
}

interface StoredPlace {
  readonly seq: number;
  readonly time: string;
}

async function lastLine(file: OpenFile, end: number): Promise<StoredPlace | null> {
  for await (const { start, seq } of linesBackwards(file, end)) {
    const head = await headAt(file, start, LINE_HEAD_BYTES);
    return { seq, time: lineTime(head, 0, head.length) };
  }
  return null;
}

async function headAt(file: OpenFile, position: number, length: number): Promise<Buffer> {
  const head = Buffer.alloc(length);
  return head.subarray(0, await file.read(head, 0, length, position));
}
