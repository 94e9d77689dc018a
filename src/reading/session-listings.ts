/** Where the doors look sessions up, and how they turn pages of them. */
import type { Completion } from '../segment/completion-record.js';
import { sessionName } from '../segment/layout.js';
import type { Manifest } from '../segment/manifest.js';
import { type Page, pageToken } from './page.js';
import type { ListedSegment, SegmentQuery } from './segment-list.js';
import type { SessionSummary } from './session-list.js';

export interface SessionDirectory {
  /** What can be read of a session; null when that is nothing. */
  summarize(sessionId: string): Promise<SessionSummary | null>;
  /** What was told last of its end; it goes on since then when it has lines above that. */
  completionOf(sessionId: string): Promise<Completion | null>;
  /** Sessions whose id begins with `prefix`, by their names on disk, behind `afterName`. */
  listSessions(prefix: string, afterName: string): AsyncGenerator<SessionSummary, void>;
  listSegments(query: SegmentQuery): AsyncGenerator<ListedSegment, void>;
}

export interface ListingPage<Row> {
  readonly rows: readonly Row[];
  /** Empty on the last page. */
  readonly nextToken: string;
}

/** The last session's name on disk. */
export type SessionPlace = readonly [string];

/** Seal in Unix milliseconds, the session's name on disk, first seq. */
export type SegmentPlace = readonly [number, string, number];

/** Of a page of manifests, as JSON; gRPC clients take messages of 4 MiB unless told otherwise. */
const PAGE_BYTES_MAX = 3 << 20;

export function isSessionPlace(value: unknown): value is SessionPlace {
  return Array.isArray(value) && value.length === 1 && typeof value[0] === 'string';
}

export function isSegmentPlace(value: unknown): value is SegmentPlace {
  return (
    Array.isArray(value) &&
    value.length === 3 &&
    Number.isSafeInteger(value[0]) &&
    typeof value[1] === 'string' &&
    Number.isSafeInteger(value[2])
  );
}

/**
 * In the order of the names on disk. A session that is there from the first page to the last is on one of them, once, whatever comes and
 * goes meanwhile.
 * @param signal nobody wants the page any more: what it has is returned
 */
export async function sessionsPage(
  directory: Pick<SessionDirectory, 'listSessions'>,
  prefix: string,
  { size, after }: Page<SessionPlace>,
  signal: AbortSignal,
): Promise<ListingPage<SessionSummary>> {
  const rows: SessionSummary[] = [];
  for await (const summary of directory.listSessions(prefix, after?.[0] ?? '')) {
    if (rows.length === size || signal.aborted) {
      return { rows, nextToken: pageToken([sessionName(rows.at(-1)?.sessionId ?? '')]) };
    }
    rows.push(summary);
  }
  return { rows, nextToken: '' };
}

/** Oldest seal first; as many as fit onto a page of 3 MiB, one at least. */
export async function segmentsPage(
  directory: Pick<SessionDirectory, 'listSegments'>,
  query: Pick<SegmentQuery, 'sessionId' | 'sealedAfterMs' | 'signal'>,
  { size, after }: Page<SegmentPlace>,
): Promise<ListingPage<Manifest>> {
  const [sealedAtMs = 0, name = '', firstSeq = 0] = after ?? [];
  const listed = directory.listSegments({
    ...query,
    after: after === null ? null : { sealedAtMs, name, firstSeq },
    // One more tells whether there is a next page.
    count: size + 1,
  });
  const rows: Manifest[] = [];
  let looked = 0;
  let bytes = 0;
  let nextToken = '';
  for await (const { position, manifest } of listed) {
    bytes += manifest === null ? 0 : Buffer.byteLength(JSON.stringify(manifest));
    // Those that were left out count: a page with fewer rows than it was asked for is not the last one for that.
    if (looked === size || (bytes > PAGE_BYTES_MAX && rows.length > 0)) {
      return { rows, nextToken };
    }
    if (manifest !== null) {
      rows.push(manifest);
    }
    looked++;
    nextToken = pageToken([position.sealedAtMs, position.name, position.firstSeq]);
  }
  return { rows, nextToken: '' };
}
