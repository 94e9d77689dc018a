import type { StatusObject } from '@grpc/grpc-js';
import { TIME_SECONDS_MAX, TIME_SECONDS_MIN } from '../frame/limits.js';
import { parseRfc3339 } from '../frame/rfc3339.js';
import { isSegmentPlace, type SessionDirectory, segmentsPage } from '../reading/session-listings.js';
import type { Manifest } from '../segment/manifest.js';
import type { ListSegmentsRequest__Output as ListSegmentsRequest } from './generated/logging/v1/ListSegmentsRequest.js';
import type { ListSegmentsResponse } from './generated/logging/v1/ListSegmentsResponse.js';
import type { Segment } from './generated/logging/v1/Segment.js';
import { LIST_REQUEST_BYTES_MAX } from './list-sessions.js';
import { LOG_READER } from './log-reader.js';
import { pageOf } from './page.js';
import { invalidRequest, notRead, unknownSession } from './status.js';
import { isProblem, RequestReader, sessionIdProblem, type UnaryMethod } from './unary-call.js';

const requests = new RequestReader<ListSegmentsRequest>(LOG_READER, 'ListSegments', LIST_REQUEST_BYTES_MAX);

/**
 * ListSegments: finished segments, oldest seal first. A segment that is finished while a consumer turns pages may belong on one that
 * it has had: its seal came first, and compressing it took longer. Who reconciles goes back a little with `sealed_after`.
 * @param signal of the call
 */
export function listSegments(
  directory: SessionDirectory,
  signal: AbortSignal,
): UnaryMethod<ListSegmentsRequest, ListSegmentsResponse> {
  return { requests, failure: notRead, answer: (request) => answer(request, directory, signal) };
}

async function answer(
  request: ListSegmentsRequest,
  directory: SessionDirectory,
  signal: AbortSignal,
): Promise<ListSegmentsResponse | StatusObject> {
  const { session_id: sessionId, sealed_after: sealedAfter } = request;
  const problem = sessionId === '' ? null : sessionIdProblem(sessionId);
  if (problem !== null) {
    return invalidRequest(problem);
  }
  const seconds = sealedAfter?.seconds ?? TIME_SECONDS_MIN;
  if (!(seconds >= TIME_SECONDS_MIN && seconds <= TIME_SECONDS_MAX)) {
    return invalidRequest({ field: 'sealed_after', reason: 'is no time between the years 1 and 9999' });
  }
  const page = pageOf(request, isSegmentPlace);
  if (isProblem(page)) {
    return invalidRequest(page);
  }
  if (sessionId !== '' && (await directory.summarize(sessionId)) === null) {
    return unknownSession();
  }
  const query = {
    sessionId: sessionId === '' ? null : sessionId,
    sealedAfterMs: (seconds + ((sealedAfter?.nanos ?? 0) > 0 ? 1 : 0)) * 1000,
    signal,
  };
  const { rows, nextToken } = await segmentsPage(directory, query, page);
  return { segments: rows.map(segmentOf), next_page_token: nextToken };
}

function segmentOf(manifest: Manifest): Segment {
  return {
    ...manifest,
    first_time: parseRfc3339(manifest.first_time),
    last_time: parseRfc3339(manifest.last_time),
    sealed_at: parseRfc3339(manifest.sealed_at),
    prev_sha256: manifest.prev_sha256 ?? '',
    members: [...manifest.members],
  };
}
