import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { COMPLETION_STATUS_BYTES_MAX } from '../frame/limits.js';
import type { CompleteSession } from '../sealing/completions.js';
import { COMPLETION_STATUS_DEFAULT } from '../segment/completion-record.js';
import type { CompleteSessionRequest__Output as CompleteSessionRequest } from './generated/logging/v1/CompleteSessionRequest.js';
import type { CompleteSessionResponse } from './generated/logging/v1/CompleteSessionResponse.js';
import { LOG_SERVICE } from './log-service.js';
import { alreadyCompleted, invalidRequest, notCompleted, unknownSession } from './status.js';
import { RequestReader, sessionIdProblem, type UnaryMethod } from './unary-call.js';

/** Id and status at their longest leave room to spare. */
export const COMPLETE_SESSION_BYTES_MAX = 4096;

const LONG_STATUS: FrameProblem = { field: 'status', reason: `is longer than ${COMPLETION_STATUS_BYTES_MAX} bytes` };

const requests = new RequestReader<CompleteSessionRequest>(LOG_SERVICE, 'CompleteSession', COMPLETE_SESSION_BYTES_MAX);

/**
 * CompleteSession. A client that goes away while others complete the same session leaves nothing behind; what has begun is done.
 * @param signal aborted when the client is gone
 */
export function completeSession(
  complete: CompleteSession,
  signal: AbortSignal,
): UnaryMethod<CompleteSessionRequest, CompleteSessionResponse> {
  return {
    requests,
    failure: notCompleted,
    answer: (request) =>
      completed(request, complete, signal).catch((error: unknown) => {
        if (signal.aborted && error === signal.reason) {
          return givenUp();
        }
        throw error;
      }),
  };
}

async function completed(
  request: CompleteSessionRequest,
  complete: CompleteSession,
  signal: AbortSignal,
): Promise<CompleteSessionResponse | StatusObject> {
  const { session_id: sessionId, status: told, exit_code: exitCode } = request;
  const isLong = Buffer.byteLength(told) > COMPLETION_STATUS_BYTES_MAX;
  const problem = sessionIdProblem(sessionId) ?? (isLong ? LONG_STATUS : null);
  if (problem !== null) {
    return invalidRequest(problem);
  }
  const outcome = await complete(sessionId, told === '' ? COMPLETION_STATUS_DEFAULT : told, exitCode ?? null, signal);
  switch (outcome.kind) {
    case 'completed':
      return { last_seq: outcome.completion.lastSeq };
    case 'unknown':
      return unknownSession();
    case 'conflict':
      return alreadyCompleted(outcome.stored);
  }
}

/** Nobody hears of a call that was given up. */
function givenUp(): StatusObject {
  return { code: status.CANCELLED, details: 'the call was cancelled', metadata: new Metadata() };
}
