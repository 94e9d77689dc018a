/** Sessions as JSON. Names and meanings of the fields are those of `logging.v1`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Completion } from '../reading/log-events.js';
import type { ListedSegment, SegmentQuery } from '../reading/segment-list.js';
import type { SessionSummary } from '../reading/session-list.js';
import { sessionName } from '../segment/layout.js';
import type { Manifest } from '../segment/manifest.js';
import { completeSession, type SessionCompleter } from './complete-session.js';
import { HttpProblem } from './http-problem.js';
import { type PagePlace, pageOf, pageToken } from './page.js';
import { type Route, respondJson, type Target } from './route.js';
import { downloadLogs } from './session-logs.js';
import type { ViewingParts } from './sse-routes.js';

/** Where sessions are looked up. */
export interface SessionDirectory extends SessionCompleter {
  /** Null when nothing of it can be read. */
  summarize(sessionId: string): Promise<SessionSummary | null>;
  /** What was told last of its end; it goes on since then when it has lines above that. */
  completionOf(sessionId: string): Promise<Completion | null>;
  /** Sessions whose id begins with `prefix`, by their names on disk, behind `afterName`. */
  listSessions(prefix: string, afterName: string): AsyncGenerator<SessionSummary, void>;
  listSegments(query: SegmentQuery): AsyncGenerator<ListedSegment, void>;
}

export function sessionsRoutes(sessions: SessionDirectory, viewing: ViewingParts): Route[] {
  const one = '/api/v1/sessions/:session_id';
  return [
    {
      path: '/api/v1/sessions',
      handlers: { GET: (_, response, { query }) => listPage(sessions, query, response) },
    },
    { path: one, handlers: { GET: (_, response, { sessionId }) => describeOne(sessions, sessionId(), response) } },
    { path: `${one}/logs`, handlers: { GET: (...args) => downloadLogs(viewing, ...args) } },
    { path: `${one}/segments`, handlers: { GET: (...args) => segmentsPage(sessions, ...args) } },
    { path: `${one}/complete`, handlers: { POST: (...args) => completeSession(sessions, ...args) } },
  ];
}

async function listPage(sessions: SessionDirectory, query: Target['query'], response: ServerResponse): Promise<void> {
  const prefix = query.text('prefix') ?? '';
  const page = pageOf(query, isSessionPlace);
  const rows: object[] = [];
  let lastId = '';
  let isMore = false;
  for await (const summary of sessions.listSessions(prefix, page.after?.[0] ?? '')) {
    isMore = rows.length === page.size;
    if (isMore || response.destroyed) {
      break;
    }
    rows.push(rowOf(summary, await sessions.completionOf(summary.sessionId)));
    lastId = summary.sessionId;
  }
  respondJson(response, 200, { sessions: rows, next_page_token: isMore ? pageToken([sessionName(lastId)]) : '' });
}

async function describeOne(sessions: SessionDirectory, sessionId: string, response: ServerResponse): Promise<void> {
  // In this order: a session that reached no further since then was completed.
  const told = await sessions.completionOf(sessionId);
  respondJson(response, 200, rowOf(await summaryOf(sessions, sessionId), told));
}

/** @throws HttpProblem 404 */
async function summaryOf(sessions: SessionDirectory, sessionId: string): Promise<SessionSummary> {
  const summary = await sessions.summarize(sessionId);
  if (summary === null) {
    throw new HttpProblem(404, `there is no session ${JSON.stringify(sessionId)}`);
  }
  return summary;
}

function rowOf(summary: SessionSummary, told: Completion | null): object {
  const completion = told !== null && summary.lastSeq <= told.lastSeq ? told : null;
  return {
    session_id: summary.sessionId,
    status: completion?.status ?? summary.state,
    exit_code: completion?.exitCode ?? null,
    first_seq: summary.firstSeq,
    last_seq: summary.lastSeq,
    last_time: summary.lastTime,
    segments: summary.segments,
    bytes: summary.storedBytes,
  };
}

async function segmentsPage(
  sessions: SessionDirectory,
  _: IncomingMessage,
  response: ServerResponse,
  { sessionId: decodeSessionId, query }: Target,
): Promise<void> {
  const sessionId = decodeSessionId();
  const { size, after } = pageOf(query, isSegmentPlace);
  await summaryOf(sessions, sessionId);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const [sealedAtMs = 0, name = '', firstSeq = 0] = after ?? [];
  const segments: Manifest[] = [];
  let last: PagePlace = [];
  let isMore = false;
  for await (const { manifest, position } of sessions.listSegments({
    sessionId,
    sealedAfterMs: 0,
    after: after === null ? null : { sealedAtMs, name, firstSeq },
    // One more tells whether there is a next page.
    count: size + 1,
    signal: gone.signal,
  })) {
    isMore = segments.length === size;
    if (!isMore) {
      segments.push(manifest);
      last = [position.sealedAtMs, position.name, position.firstSeq];
    }
  }
  respondJson(response, 200, { segments, next_page_token: isMore ? pageToken(last) : '' });
}

/** The last session's name on disk. */
function isSessionPlace(value: unknown): value is [string] {
  return Array.isArray(value) && value.length === 1 && typeof value[0] === 'string';
}

/** Seal in Unix milliseconds, the session's name on disk, first seq. */
function isSegmentPlace(value: unknown): value is [number, string, number] {
  return (
    Array.isArray(value) &&
    value.length === 3 &&
    Number.isSafeInteger(value[0]) &&
    typeof value[1] === 'string' &&
    Number.isSafeInteger(value[2])
  );
}
