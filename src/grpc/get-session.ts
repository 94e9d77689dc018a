import type { StatusObject } from '@grpc/grpc-js';
import { LONG_PRODUCER_ID } from '../frame/frame-view.js';
import { PRODUCER_ID_BYTES_MAX } from '../frame/limits.js';
import { parseRfc3339 } from '../frame/rfc3339.js';
import type { SessionSummary } from '../reading/session-list.js';
import type { SessionDirectory } from '../reading/session-listings.js';
import { type Completion, standingAt } from '../segment/completion-record.js';
import type { SessionPosition } from '../session/session-registry.js';
import type { GetSessionRequest__Output as GetSessionRequest } from './generated/logging/v1/GetSessionRequest.js';
import type { SessionInfo } from './generated/logging/v1/SessionInfo.js';
import { LOG_READER } from './log-reader.js';
import { invalidRequest, notTold, unknownSession } from './status.js';
import { RequestReader, sessionIdProblem, type UnaryMethod } from './unary-call.js';

/** Both ids at their longest leave room to spare. */
export const GET_SESSION_BYTES_MAX = 4096;

/** Where the answer comes from. */
export interface SessionSources extends SessionDirectory {
  /** Durable when it resolves; `lastSeq` 0 for a session that nothing is known of. @throws StorageError */
  position(sessionId: string, producerId: string): Promise<SessionPosition>;
}

const requests = new RequestReader<GetSessionRequest>(LOG_READER, 'GetSession', GET_SESSION_BYTES_MAX);

/**
 * GetSession.
 *
 * *Ordering*: the position is taken and made durable before the files are looked at: whatever the position names is among what is
 * counted there. The completion is looked up before the position: a session that reached no further since then was completed.
 */
export function getSession(sources: SessionSources): UnaryMethod<GetSessionRequest, SessionInfo> {
  return { requests, failure: notTold, answer: (request) => answer(request, sources) };
}

async function answer(
  { session_id: sessionId, producer_id: producerId }: GetSessionRequest,
  sources: SessionSources,
): Promise<SessionInfo | StatusObject> {
  const isLong = Buffer.byteLength(producerId) > PRODUCER_ID_BYTES_MAX;
  const problem = sessionIdProblem(sessionId) ?? (isLong ? LONG_PRODUCER_ID : null);
  if (problem !== null) {
    return invalidRequest(problem);
  }
  const completion = await sources.completionOf(sessionId);
  const position = await sources.position(sessionId, producerId);
  if (position.lastSeq === 0) {
    return unknownSession();
  }
  const summary = await sources.summarize(sessionId);
  return infoOf(sessionId, position, summary, standingAt(position.lastSeq, completion));
}

/** @param summary of what can be read of the session; null when that is nothing */
export function infoOf(
  sessionId: string,
  { lastSeq, producerSeq }: SessionPosition,
  summary: SessionSummary | null,
  completion: Completion | null,
): SessionInfo {
  return {
    session_id: sessionId,
    status: completion?.status ?? summary?.state ?? 'idle',
    first_seq: summary?.firstSeq ?? 0,
    last_seq: lastSeq,
    last_time: summary === null ? null : parseRfc3339(summary.lastTime),
    segments: summary?.segments ?? 0,
    bytes: summary?.storedBytes ?? 0,
    producer_seq: producerSeq,
    ...(completion === null || completion.exitCode === null ? {} : { exit_code: completion.exitCode }),
  };
}
