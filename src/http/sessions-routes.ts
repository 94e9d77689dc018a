/** Sessions as JSON. Names and meanings of the fields are those of `logging.v1`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SessionSummary } from '../reading/session-list.js';
import {
  isSegmentPlace,
  isSessionPlace,
  type SessionDirectory,
  segmentsPage,
  sessionsPage,
} from '../reading/session-listings.js';
import type { CompleteSession } from '../sealing/completions.js';
import { standingAt } from '../segment/completion-record.js';
import { completeSession } from './complete-session.js';
import { HttpProblem } from './http-problem.js';
import { pageOf } from './page.js';
import { goneSignal, type Route, respondJson, type Target } from './route.js';
import { downloadLogs } from './session-logs.js';
import type { ViewingParts } from './viewing-parts.js';

/** Where sessions are looked up, and completed. */
export interface SessionDoors extends SessionDirectory {
  readonly completeSession: CompleteSession;
}

export function sessionsRoutes(sessions: SessionDoors, viewing: ViewingParts): Route[] {
  const one = '/api/v1/sessions/:session_id';
  return [
    {
      path: '/api/v1/sessions',
      handlers: { GET: (_, response, { query }) => listSessions(sessions, query, response) },
    },
    { path: one, handlers: { GET: (_, response, { sessionId }) => describeOne(sessions, sessionId(), response) } },
    { path: `${one}/logs`, handlers: { GET: (...args) => downloadLogs(viewing, ...args) } },
    { path: `${one}/segments`, handlers: { GET: (...args) => listSegments(sessions, ...args) } },
    { path: `${one}/complete`, handlers: { POST: (...args) => completeSession(sessions.completeSession, ...args) } },
  ];
}

async function listSessions(
  sessions: SessionDirectory,
  query: Target['query'],
  response: ServerResponse,
): Promise<void> {
  const page = pageOf(query, isSessionPlace);
  const { rows, nextToken } = await sessionsPage(sessions, query.text('prefix') ?? '', page, goneSignal(response));
  respondJson(response, 200, { sessions: rows.map(rowOf), next_page_token: nextToken });
}

async function describeOne(sessions: SessionDirectory, sessionId: string, response: ServerResponse): Promise<void> {
  // In this order: a session that reached no further since then was completed.
  const told = await sessions.completionOf(sessionId);
  const summary = await summaryOf(sessions, sessionId);
  respondJson(response, 200, rowOf({ ...summary, completion: standingAt(summary.lastSeq, told) }));
}

/** @throws HttpProblem 404 */
async function summaryOf(sessions: SessionDirectory, sessionId: string): Promise<SessionSummary> {
  const summary = await sessions.summarize(sessionId);
  if (summary === null) {
    throw new HttpProblem(404, `there is no session ${JSON.stringify(sessionId)}`);
  }
  return summary;
}

function rowOf(summary: SessionSummary): object {
  const { completion } = summary;
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

async function listSegments(
  sessions: SessionDirectory,
  _: IncomingMessage,
  response: ServerResponse,
  { sessionId: decodeSessionId, query }: Target,
): Promise<void> {
  const sessionId = decodeSessionId();
  const page = pageOf(query, isSegmentPlace);
  await summaryOf(sessions, sessionId);
  const wanted = { sessionId, sealedAfterMs: 0, signal: goneSignal(response) };
  const { rows, nextToken } = await segmentsPage(sessions, wanted, page);
  respondJson(response, 200, { segments: rows, next_page_token: nextToken });
}
