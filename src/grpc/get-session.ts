import { type ServerUnaryCall, type StatusObject, type sendUnaryData, status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { LONG_PRODUCER_ID, LONG_SESSION_ID, NO_SESSION_ID } from '../frame/frame-view.js';
import { PRODUCER_ID_BYTES_MAX, SESSION_ID_BYTES_MAX } from '../frame/limits.js';
import { parseRfc3339 } from '../frame/rfc3339.js';
import type { SessionSummary } from '../reading/session-list.js';
import { isSystemError, StorageError } from '../segment/storage-error.js';
import type { SessionPosition } from '../session/session-registry.js';
import type { GetSessionRequest__Output as GetSessionRequest } from './generated/logging/v1/GetSessionRequest.js';
import type { SessionInfo } from './generated/logging/v1/SessionInfo.js';
import { LOG_READER } from './log-reader.js';
import { methodOf } from './log-service.js';
import { messageReaderOf } from './read-messages.js';
import { invalidRequest, notTold, unknownSession } from './status.js';

/** Both ids at their longest leave room to spare. */
export const GET_SESSION_BYTES_MAX = 4096;

/** Where the answer comes from. */
export interface SessionSources {
  /** Durable when it resolves; `lastSeq` 0 for a session that nothing is known of. @throws StorageError */
  position(sessionId: string, producerId: string): Promise<SessionPosition>;
  /** What can be read of it; null when that is nothing. */
  summarize(sessionId: string): Promise<SessionSummary | null>;
}

export interface GetSessionParts {
  readonly sources: SessionSources;
  handled(code: status): void;
  /** Something that is not the client's doing. */
  failed(error: unknown): void;
}

/**
 * One call of GetSession.
 *
 * *Ordering*: the position is taken and made durable first, the files are looked at afterwards: whatever the position names is
 * among what is counted there.
 */
export async function getSession(
  call: ServerUnaryCall<Buffer, SessionInfo>,
  respond: sendUnaryData<SessionInfo>,
  parts: GetSessionParts,
): Promise<void> {
  const answer = await answerOf(call, parts);
  const isInfo = !('code' in answer);
  parts.handled(call.cancelled ? status.CANCELLED : isInfo ? status.OK : answer.code);
  if (isInfo) {
    respond(null, answer);
  } else {
    respond(answer);
  }
}

async function answerOf(
  call: ServerUnaryCall<Buffer, SessionInfo>,
  { sources, failed }: GetSessionParts,
): Promise<SessionInfo | StatusObject> {
  try {
    const bytes = await inflated(call);
    const request = Buffer.isBuffer(bytes) ? requestOf(bytes) : bytes;
    if ('reason' in request) {
      return invalidRequest(request);
    }
    const { session_id: sessionId, producer_id: producerId } = request;
    const position = await sources.position(sessionId, producerId);
    return position.lastSeq === 0 ? unknownSession() : infoOf(sessionId, position, await sources.summarize(sessionId));
  } catch (error) {
    const cause = isSystemError(error) ? StorageError.from(error) : error;
    failed(cause);
    return notTold(cause);
  }
}

/** The request as it was sent, or why it can't be had. @throws Overload */
async function inflated(call: ServerUnaryCall<Buffer, SessionInfo>): Promise<Buffer | FrameProblem> {
  const reader = messageReaderOf(call);
  if (!reader.received()) {
    return call.request;
  }
  const { outcome, release } = await reader.inflate(call.request);
  release();
  return outcome;
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
): SessionInfo {
  return {
    session_id: sessionId,
    status: summary?.state ?? 'idle',
    first_seq: summary?.firstSeq ?? 0,
    last_seq: lastSeq,
    last_time: summary === null ? null : parseRfc3339(summary.lastTime),
    segments: summary?.segments ?? 0,
    bytes: summary?.storedBytes ?? 0,
    producer_seq: producerSeq,
  };
}
