import type { StatusObject } from '@grpc/grpc-js';
import { TIME_SECONDS_MAX, TIME_SECONDS_MIN } from '../frame/limits.js';
import { parseRfc3339 } from '../frame/rfc3339.js';
import type { ListedSegment, SegmentQuery } from '../reading/segment-list.js';
import type { Manifest } from '../segment/manifest.js';
import type { ListSegmentsRequest__Output as ListSegmentsRequest } from './generated/logging/v1/ListSegmentsRequest.js';
import type { ListSegmentsResponse } from './generated/logging/v1/ListSegmentsResponse.js';
import type { Segment } from './generated/logging/v1/Segment.js';
import type { SessionSources } from './get-session.js';
import { LIST_REQUEST_BYTES_MAX } from './list-sessions.js';
import { LOG_READER } from './log-reader.js';
import { PAGE_BYTES_MAX, pageOf, pageToken } from './page.js';
import { invalidRequest, notRead, unknownSession } from './status.js';
import { isProblem, RequestReader, sessionIdProblem, type UnaryMethod } from './unary-call.js';

export interface SegmentLister {
  listSegments(query: SegmentQuery): AsyncGenerator<ListedSegment, void>;
  summarize: SessionSources['summarize'];
}

const requests = new RequestReader<ListSegmentsRequest>(LOG_READER, 'ListSegments', LIST_REQUEST_BYTES_MAX);

/**
 * ListSegments: finished segments, oldest seal first. A segment that is finished while a consumer turns pages may belong on one that
 * it has had: its seal came first, and compressing it took longer. Who reconciles goes back a little with `sealed_after`.
 * @param signal of the call
 */
export function listSegments(
  sources: SegmentLister,
  signal: AbortSignal,
): UnaryMethod<ListSegmentsRequest, ListSegmentsResponse> {
  return { requests, failure: notRead, answer: (request) => answer(request, sources, signal) };
}

async function answer(
  request: ListSegmentsRequest,
  sources: SegmentLister,
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
  const page = pageOf(request, isPlace);
  if (isProblem(page)) {
    return invalidRequest(page);
  }
  if (sessionId !== '' && (await sources.summarize(sessionId)) === null) {
    return unknownSession();
  }
  const [sealedAtMs = 0, name = '', firstSeq = 0] = page.after ?? [];
  return pageFrom(
    sources.listSegments({
      sessionId: sessionId === '' ? null : sessionId,
      sealedAfterMs: (seconds + ((sealedAfter?.nanos ?? 0) > 0 ? 1 : 0)) * 1000,
      after: page.after === null ? null : { sealedAtMs, name, firstSeq },
      // One more tells whether there is a next page.
      count: page.size + 1,
      signal,
    }),
    page.size,
  );
}

/** As many as fit onto a page; one at least. */
async function pageFrom(listed: AsyncGenerator<ListedSegment, void>, size: number): Promise<ListSegmentsResponse> {
  const segments: Segment[] = [];
  let bytes = 0;
  let token = '';
  for await (const { position, manifest } of listed) {
    bytes += Buffer.byteLength(JSON.stringify(manifest));
    if (segments.length === size || (bytes > PAGE_BYTES_MAX && segments.length > 0)) {
      return { segments, next_page_token: token };
    }
    segments.push(segmentOf(manifest));
    token = pageToken([position.sealedAtMs, position.name, position.firstSeq]);
  }
  return { segments, next_page_token: '' };
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

/** Seal in Unix milliseconds, the session's name on disk, first seq. */
function isPlace(value: unknown): value is [number, string, number] {
  return (
    Array.isArray(value) &&
    value.length === 3 &&
    Number.isSafeInteger(value[0]) &&
    typeof value[1] === 'string' &&
    Number.isSafeInteger(value[2])
  );
}
