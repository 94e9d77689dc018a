import type { ServerUnaryCall, StatusObject, sendUnaryData } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { LONG_PRODUCER_ID, LONG_SESSION_ID, NO_SESSION_ID } from '../frame/frame-view.js';
import { PRODUCER_ID_BYTES_MAX, SESSION_ID_BYTES_MAX } from '../frame/limits.js';
import { parseRfc3339 } from '../frame/rfc3339.js';
import type { SessionSummary } from '../reading/session-list.js';
import type { Completion } from '../segment/completion-record.js';
import type { SessionPosition } from '../session/session-registry.js';
import type { GetSessionRequest__Output as GetSessionRequest } from './generated/logging/v1/GetSessionRequest.js';
import type { SessionInfo } from './generated/logging/v1/SessionInfo.js';
import { LOG_READER } from './log-reader.js';
import { methodOf } from './log-service.js';
import { invalidRequest, notTold, unknownSession } from './status.js';
import { answerUnary, type UnaryParts } from './unary-call.js';

/** Both ids at their longest leave room to spare. */
export const GET_SESSION_BYTES_MAX = 4096;

/** Where the answer comes from. */
export interface SessionSources {
  /** Durable when it resolves; `lastSeq` 0 for a session that nothing is known of. @throws StorageError */
  position(sessionId: string, producerId: string): Promise<SessionPosition>;
  /** What was told last of its end; it goes on since then when it has lines above that. */
  completionOf(sessionId: string): Promise<Completion | null>;
  /** What can be read of it; null when that is nothing. */
  summarize(sessionId: string): Promise<SessionSummary | null>;
}

export interface GetSessionParts extends UnaryParts {
  readonly sources: SessionSources;
}

/**
 * One call of GetSession.
 *
 * *Ordering*: the position is taken and made durable before the files are looked at: whatever the position names is among what is
 * counted there. The completion is looked up before the position: a session that reached no further since then was completed.
 */
export async function getSession(
  call: ServerUnaryCall<Buffer, SessionInfo>,
  respond: sendUnaryData<SessionInfo>,
  parts: GetSessionParts,
): Promise<void> {
  const { sources } = parts;
  await answerUnary(call, respond, { ...parts, notAnswered: notTold }, (bytes) => infoFor(bytes, sources));
}

async function infoFor(bytes: Buffer, sources: SessionSources): Promise<SessionInfo | StatusObject> {
  const request = requestOf(bytes);
  if ('reason' in request) {
    return invalidRequest(request);
  }
  const { session_id: sessionId, producer_id: producerId } = request;
  const completion = await sources.completionOf(sessionId);
  const position = await sources.position(sessionId, producerId);
  if (position.lastSeq === 0) {
    return unknownSession();
  }
  const isCompleted = completion !== null && position.lastSeq <= completion.lastSeq;
  return infoOf(sessionId, position, await sources.summarize(sessionId), isCompleted ? completion : null);
}

const deserialize = methodOf<GetSessionRequest, SessionInfo>(LOG_READER, 'GetSession').requestDeserialize;

function requestOf(bytes: Buffer): GetSessionRequest | FrameProblem {
  if (bytes.length > GET_SESSION_BYTES_MAX) {
    return { field: 'request', reason: `is larger than ${GET_SESSION_BYTES_MAX} bytes` };
  }
  let request: GetSessionRequest;
  try {
    request = deserialize(bytes);
  } catch {
    return { field: 'request', reason: 'is not a valid GetSessionRequest message' };
  }
  if (request.session_id === '') {
    return NO_SESSION_ID;
  }
  if (Buffer.byteLength(request.session_id) > SESSION_ID_BYTES_MAX) {
    return LONG_SESSION_ID;
  }
  return Buffer.byteLength(request.producer_id) > PRODUCER_ID_BYTES_MAX ? LONG_PRODUCER_ID : request;
}

function infoOf(
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
