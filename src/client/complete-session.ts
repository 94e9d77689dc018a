/**
 * The end of a session, told until the server has it: the same may be told again, so a broken connection and a server that is
 * starting again are waited for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServiceError, status } from '@grpc/grpc-js';
import type { LogConnection } from './log-connection.js';
import { retryAfterMs } from './retry-info.js';
import { doesNotKnow } from './server-sentences.js';
import { codeOf, saidIn, sentenceOf, WriteError } from './write-error.js';

export interface SessionCompletion {
  readonly sessionId: string;
  /** Empty: "completed". */
  readonly status: string;
  readonly exitCode: number | null;
}

export interface CompletionPatience {
  /** How long it is tried, in milliseconds. */
  readonly patienceMs: number;
  /** Ends the trying; what is under way may come true all the same. */
  readonly signal: AbortSignal;
}

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;

/**
 * Resolves to the session's last seq when its completion is durable.
 * @throws WriteError, UNKNOWN_SESSION and ALREADY_COMPLETED among them
 */
export async function completeSession(
  connection: LogConnection,
  completion: SessionCompletion,
  { patienceMs, signal }: CompletionPatience,
): Promise<number> {
  const endMs = performance.now() + patienceMs;
  for (let backoffMs = BACKOFF_FIRST_MS; ; backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS)) {
    try {
      return await connection.complete(completion, endMs - performance.now(), signal);
    } catch (cause) {
      const error = completionError(cause as ServiceError, connection.server);
      const pauseMs = Math.max(backoffMs, error.retryAfterMs ?? 0);
      if (!error.canRetry || signal.aborted || performance.now() + pauseMs >= endMs) {
        throw error;
      }
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) {
        throw error;
      }
    }
  }
}

function completionError(error: ServiceError, server: string): WriteError {
  const said = saidIn(error.details);
  const at = { cause: error, retryAfterMs: retryAfterMs(error.metadata) };
  switch (error.code) {
    case status.NOT_FOUND:
      return new WriteError('UNKNOWN_SESSION', said, at);
    case status.ALREADY_EXISTS:
      return new WriteError('ALREADY_COMPLETED', said, at);
    case status.INVALID_ARGUMENT:
    case status.FAILED_PRECONDITION:
      return new WriteError('REQUEST_REFUSED', `logweir refused it: ${said}`, at);
    case status.UNIMPLEMENTED:
      return new WriteError('NOT_LOGWEIR', doesNotKnow(server, 'logging.v1.LogService/CompleteSession'), at);
    case status.RESOURCE_EXHAUSTED:
      return new WriteError('OVERLOADED', `logweir at ${server} cannot complete a session now: ${said}`, at);
    default: {
      const code = codeOf(error);
      const sentence = `logweir at ${server} cannot complete a session now: ${said}`;
      return new WriteError(code, code === 'UNAVAILABLE' ? sentence : sentenceOf(code, error.details, server), at);
    }
  }
}
