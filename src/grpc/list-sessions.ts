import type { StatusObject } from '@grpc/grpc-js';
import { LONG_SESSION_ID } from '../frame/frame-view.js';
import { SESSION_ID_BYTES_MAX } from '../frame/limits.js';
import { isSessionPlace, type SessionDirectory, sessionsPage } from '../reading/session-listings.js';
import type { ListSessionsRequest__Output as ListSessionsRequest } from './generated/logging/v1/ListSessionsRequest.js';
import type { ListSessionsResponse } from './generated/logging/v1/ListSessionsResponse.js';
import { infoOf } from './get-session.js';
import { LOG_READER } from './log-reader.js';
import { pageOf } from './page.js';
import { invalidRequest, notRead } from './status.js';
import { isProblem, RequestReader, type UnaryMethod } from './unary-call.js';

/** A prefix at its longest and a token of the longest name leave room to spare. */
export const LIST_REQUEST_BYTES_MAX = 4096;

const requests = new RequestReader<ListSessionsRequest>(LOG_READER, 'ListSessions', LIST_REQUEST_BYTES_MAX);

/** ListSessions, as `sessionsPage` has it. @param signal of the call */
export function listSessions(
  directory: SessionDirectory,
  signal: AbortSignal,
): UnaryMethod<ListSessionsRequest, ListSessionsResponse> {
  return { requests, failure: notRead, answer: (request) => answer(request, directory, signal) };
}

async function answer(
  request: ListSessionsRequest,
  directory: SessionDirectory,
  signal: AbortSignal,
): Promise<ListSessionsResponse | StatusObject> {
  const { prefix } = request;
  if (Buffer.byteLength(prefix) > SESSION_ID_BYTES_MAX) {
    return invalidRequest({ ...LONG_SESSION_ID, field: 'prefix' });
  }
  const page = pageOf(request, isSessionPlace);
  if (isProblem(page)) {
    return invalidRequest(page);
  }
  const { rows, nextToken } = await sessionsPage(directory, prefix, page, signal);
  return {
    sessions: rows.map((summary) =>
      infoOf(summary.sessionId, { lastSeq: summary.lastSeq, producerSeq: 0 }, summary, summary.completion),
    ),
    next_page_token: nextToken,
  };
}
