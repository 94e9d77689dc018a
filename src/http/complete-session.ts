import type { IncomingMessage, ServerResponse } from 'node:http';
import { COMPLETION_STATUS_BYTES_MAX } from '../frame/limits.js';
import type { CompleteSession } from '../sealing/completions.js';
import { COMPLETION_STATUS_DEFAULT } from '../segment/completion-record.js';
import { HttpProblem } from './http-problem.js';
import { jsonBody } from './json-body.js';
import { goneSignal, respondJson, type Target } from './route.js';

/** `{"status": "failed", "exit_code": 1}`, either optional; told the same again, it changes nothing. */
export async function completeSession(
  complete: CompleteSession,
  request: IncomingMessage,
  response: ServerResponse,
  { sessionId: decodeSessionId }: Target,
): Promise<void> {
  const sessionId = decodeSessionId();
  const { status, exit_code: exitCode } = await jsonBody(request);
  const outcome = await complete(sessionId, statusOf(status), exitCodeOf(exitCode), goneSignal(response));
  if (outcome.kind === 'unknown') {
    throw new HttpProblem(404, `there is no session ${JSON.stringify(sessionId)}`);
  }
  if (outcome.kind === 'conflict') {
    const { stored } = outcome;
    throw new HttpProblem(
      409,
      `it was completed at seq ${stored.lastSeq} as ${JSON.stringify(stored.status)}, exit code ${stored.exitCode ?? 'none'}`,
    );
  }
  const { completion } = outcome;
  respondJson(response, 200, {
    session_id: sessionId,
    status: completion.status,
    exit_code: completion.exitCode,
    last_seq: completion.lastSeq,
  });
}

function statusOf(status: unknown): string {
  if (status === undefined || status === '') {
    return COMPLETION_STATUS_DEFAULT;
  }
  if (typeof status !== 'string' || Buffer.byteLength(status) > COMPLETION_STATUS_BYTES_MAX) {
    throw new HttpProblem(400, `status must be a string of at most ${COMPLETION_STATUS_BYTES_MAX} bytes`, 'status');
  }
  return status;
}

function exitCodeOf(exitCode: unknown): number | null {
  if (exitCode === undefined || exitCode === null) {
    return null;
  }
  if (typeof exitCode !== 'number' || (exitCode | 0) !== exitCode) {
    throw new HttpProblem(400, 'exit_code must be an integer of 32 bits', 'exit_code');
  }
  return exitCode;
}
