/** What finished segments there are, by their names alone; only those that are asked for are read. */
import { join } from 'node:path';
import type { Files } from '../segment/files.js';
import { type Layout, MANIFEST_SUFFIX, parseSegmentName, sessionName } from '../segment/layout.js';
import type { Manifest } from '../segment/manifest.js';
import { readManifest } from '../segment/manifest-store.js';
import { isNotAFile } from '../segment/not-a-file.js';
import { isSystemError } from '../segment/storage-error.js';
import { isAbsent } from './reading-error.js';
import { namesIn } from './snapshot.js';

/** Where a segment stands among all: by seal, then session, then seq. Of two segments one comes first, whatever happens to others. */
export interface SegmentPosition {
  readonly sealedAtMs: number;
  /** Of the session, on disk. */
  readonly name: string;
  readonly firstSeq: number;
}

export interface SegmentQuery {
  /** Null: of all sessions. */
  readonly sessionId: string | null;
  readonly sealedAfterMs: number;
  /** Only segments behind it. */
  readonly after: SegmentPosition | null;
  readonly count: number;
  readonly signal: AbortSignal;
}

export interface ListedSegment {
  readonly position: SegmentPosition;
  /** Null when it was gone by the time that it was read, or can't be read as one: who turns pages has to pass it by all the same. */
  readonly manifest: Manifest | null;
}

/** Hears of a manifest that can't be read, whatever is asked: one of them must not hide all segments behind it. */
export type OnUnreadable = (path: string, error: unknown) => void;

interface Found extends SegmentPosition {
  readonly path: string;
}

/** Found ones are cut back to `count` when they are so many times that. */
const SLACK = 4;

/**
 * The first `count` finished segments of a query, oldest seal first. One without a manifest is not finished yet.
 *
 * *Cost*: the name of every segment is looked at, whatever `count`; what is held at a time is the names of one session's and
 * `SLACK` times `count` others.
 */
export async function* listSegments(
  files: Files,
  layout: Layout,
  query: SegmentQuery,
  onUnreadable: OnUnreadable,
): AsyncGenerator<ListedSegment, void> {
  for (const { path, ...position } of await firstOf(files, layout, query)) {
    yield { position, manifest: await manifestAt(files, path, onUnreadable) };
  }
}

/** @throws the error of the disk */
async function manifestAt(files: Files, path: string, onUnreadable: OnUnreadable): Promise<Manifest | null> {
  try {
    return await readManifest(files, path);
  } catch (error) {
    if (isSystemError(error) && !isNotAFile(error) && !isAbsent(error)) {
      throw error;
    }
    if (!isAbsent(error)) {
      onUnreadable(path, error);
    }
    return null;
  }
}

async function firstOf(files: Files, layout: Layout, query: SegmentQuery): Promise<Found[]> {
  const { sessionId, count, signal } = query;
  const names = sessionId === null ? await files.list(layout.sessions) : [sessionName(sessionId)];
  let found: Found[] = [];
  for (const name of names) {
    signal.throwIfAborted();
    const directory = join(layout.sessions, name);
    for (const fileName of await namesIn(files, directory)) {
      const segment = fileName.endsWith(MANIFEST_SUFFIX) ? parseSegmentName(fileName) : null;
      if (segment !== null && isWanted({ ...segment, name }, query)) {
        const { sealedAtMs, firstSeq } = segment;
        found.push({ sealedAtMs, name, firstSeq, path: join(directory, fileName) });
      }
    }
    if (found.length > SLACK * count) {
      found = found.toSorted(inOrder).slice(0, count);
    }
  }
  return found.toSorted(inOrder).slice(0, count);
}

function isWanted(position: SegmentPosition, { sealedAfterMs, after }: SegmentQuery): boolean {
  return position.sealedAtMs >= sealedAfterMs && (after === null || inOrder(position, after) > 0);
}

function inOrder(a: SegmentPosition, b: SegmentPosition): number {
  return a.sealedAtMs - b.sealedAtMs || compare(a.name, b.name) || a.firstSeq - b.firstSeq;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
