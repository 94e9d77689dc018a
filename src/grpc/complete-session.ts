import { Metadata, type ServerUnaryCall, type StatusObject, type sendUnaryData, status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { LONG_SESSION_ID, NO_SESSION_ID } from '../frame/frame-view.js';
import { COMPLETION_STATUS_BYTES_MAX, SESSION_ID_BYTES_MAX } from '../frame/limits.js';
import type { CompletionOutcome } from '../sealing/completions.js';
import type { CompleteSessionRequest__Output as CompleteSessionRequest } from './generated/logging/v1/CompleteSessionRequest.js';
import type { CompleteSessionResponse } from './generated/logging/v1/CompleteSessionResponse.js';
import { LOG_SERVICE, methodOf } from './log-service.js';
import { alreadyCompleted, invalidRequest, notCompleted, unknownSession } from './status.js';
import { answerUnary, type UnaryParts } from './unary-call.js';

/** Id and status at their longest leave room to spare. */
export const COMPLETE_SESSION_BYTES_MAX = 4096;

const LONG_STATUS: FrameProblem = { field: 'status', reason: `is longer than ${COMPLETION_STATUS_BYTES_MAX} bytes` };
const STATUS_DEFAULT = 'completed';

/** Completes a session. @throws as Core.completeSession */
export interface CompleteSession {
  (sessionId: string, status: string, exitCode: number | null, signal: AbortSignal): Promise<CompletionOutcome>;
}

export interface CompleteSessionParts extends UnaryParts {
  readonly complete: CompleteSession;
}

/**
 * One call of CompleteSession. A client that goes away while others complete the same session leaves nothing behind; what has begun
 * is done.
 */
export async function completeSession(
  call: ServerUnaryCall<Buffer, CompleteSessionResponse>,
  respond: sendUnaryData<CompleteSessionResponse>,
  parts: CompleteSessionParts,
): Promise<void> {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort());
  await answerUnary(call, respond, { ...parts, notAnswered: notCompleted }, (bytes) =>
    completed(bytes, parts.complete, gone.signal).catch((error: unknown) => {
      if (gone.signal.aborted && error === gone.signal.reason) {
        return givenUp();
      }
      throw error;
    }),
  );
}

async function completed(
  bytes: Buffer,
  complete: CompleteSession,
  signal: AbortSignal,
): Promise<CompleteSessionResponse | StatusObject> {
  const request = requestOf(bytes);
  if ('reason' in request) {
    return invalidRequest(request);
  }
  const { session_id: sessionId, status: told, exit_code: exitCode } = request;
  const outcome = await complete(sessionId, told === '' ? STATUS_DEFAULT : told, exitCode ?? null, signal);
  switch (outcome.kind) {
    case 'completed':
      return { last_seq: outcome.completion.lastSeq };
    case 'unknown':
      return unknownSession();
    case 'conflict':
      return alreadyCompleted(outcome.stored);
  }
}

const deserialize = methodOf<CompleteSessionRequest, CompleteSessionResponse>(
  LOG_SERVICE,
  'CompleteSession',
).requestDeserialize;

function requestOf(bytes: Buffer): CompleteSessionRequest | FrameProblem {
  if (bytes.length > COMPLETE_SESSION_BYTES_MAX) {
    return { field: 'request', reason: `is larger than ${COMPLETE_SESSION_BYTES_MAX} bytes` };
  }
  let request: CompleteSessionRequest;
  try {
    request = deserialize(bytes);
  } catch {
    return { field: 'request', reason: 'is not a valid CompleteSessionRequest message' };
  }
  if (request.session_id === '') {
    return NO_SESSION_ID;
  }
  if (Buffer.byteLength(request.session_id) > SESSION_ID_BYTES_MAX) {
    return LONG_SESSION_ID;
  }
  return Buffer.byteLength(request.status) > COMPLETION_STATUS_BYTES_MAX ? LONG_STATUS : request;
}

/** Nobody hears of a call that was given up. */
function givenUp(): StatusObject {
  return { code: status.CANCELLED, details: 'the call was cancelled', metadata: new Metadata() };
}
