import type { StatusObject } from '@grpc/grpc-js';
import { LONG_SESSION_ID } from '../frame/frame-view.js';
import { SESSION_ID_BYTES_MAX } from '../frame/limits.js';
import type { SessionSummary } from '../reading/session-list.js';
import { sessionName } from '../segment/layout.js';
import type { ListSessionsRequest__Output as ListSessionsRequest } from './generated/logging/v1/ListSessionsRequest.js';
import type { ListSessionsResponse } from './generated/logging/v1/ListSessionsResponse.js';
import type { SessionInfo } from './generated/logging/v1/SessionInfo.js';
import { infoOf } from './get-session.js';
import { LOG_READER } from './log-reader.js';
import { pageOf, pageToken } from './page.js';
import { invalidRequest, notRead } from './status.js';
import { isProblem, RequestReader, type UnaryMethod } from './unary-call.js';

/** A prefix at its longest and a token of the longest name leave room to spare. */
export const LIST_REQUEST_BYTES_MAX = 4096;

export interface SessionLister {
  /** Sessions whose id begins with `prefix`, by their names on disk, behind `afterName`. */
  listSessions(prefix: string, afterName: string): AsyncGenerator<SessionSummary, void>;
}

const requests = new RequestReader<ListSessionsRequest>(LOG_READER, 'ListSessions', LIST_REQUEST_BYTES_MAX);

/**
 * ListSessions: pages in the order of the names on disk. A session that is there from the first page to the last is on one of them,
 * once, whatever comes and goes meanwhile.
 */
export function listSessions(sources: SessionLister): UnaryMethod<ListSessionsRequest, ListSessionsResponse> {
  return { requests, failure: notRead, answer: (request) => answer(request, sources) };
}

async function answer(
  request: ListSessionsRequest,
  sources: SessionLister,
): Promise<ListSessionsResponse | StatusObject> {
  const { prefix } = request;
  if (Buffer.byteLength(prefix) > SESSION_ID_BYTES_MAX) {
    return invalidRequest({ ...LONG_SESSION_ID, field: 'prefix' });
  }
  const page = pageOf(request, isPlace);
  if (isProblem(page)) {
    return invalidRequest(page);
  }
  const sessions: SessionInfo[] = [];
  for await (const summary of sources.listSessions(prefix, page.after?.[0] ?? '')) {
    if (sessions.length === page.size) {
      const last = sessions.at(-1)?.session_id ?? '';
      return { sessions, next_page_token: pageToken([sessionName(last)]) };
    }
    sessions.push(infoOf(summary.sessionId, { lastSeq: summary.lastSeq, producerSeq: 0 }, summary, summary.completion));
  }
  return { sessions, next_page_token: '' };
}

/** The last session's name on disk. */
function isPlace(value: unknown): value is [string] {
  return Array.isArray(value) && value.length === 1 && typeof value[0] === 'string';
}
