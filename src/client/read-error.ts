import { type ServiceError, status } from '@grpc/grpc-js';
import { isBrokenConnection } from './channel.js';
import { retryAfterMs } from './retry-info.js';
import { cannotReach, connectionBroke, deniedAccess, doesNotKnow, NO_REASON, reasonIn } from './server-sentences.js';

/** Why a session could not be read: a closed set, so that a program can decide without reading sentences. */
export type ReadErrorCode =
  /** No connection within the deadline. */
  | 'UNREACHABLE'
  | 'CONNECTION_LOST'
  /** The server says: not now (it is shutting down, its disk fails, too many read). */
  | 'UNAVAILABLE'
  | 'UNKNOWN_SESSION'
  /** The request can never be answered; the sentence names the parameter. */
  | 'INVALID_REQUEST'
  /** What is stored is damaged. */
  | 'DATA_LOSS'
  | 'DENIED'
  /** Something answered that does not speak logging.v1. */
  | 'NOT_LOGWEIR'
  | 'SERVER_FAILED'
  /** Ended by this side. */
  | 'CANCELLED';

const RETRYABLE: ReadonlySet<ReadErrorCode> = new Set(['UNREACHABLE', 'CONNECTION_LOST', 'UNAVAILABLE']);

/** One sentence in `message`; the cause, where there is one, in `cause`. */
export class ReadError extends Error {
  readonly code: ReadErrorCode;
  /** Whether the same call may succeed later. */
  readonly canRetry: boolean;

  constructor(code: ReadErrorCode, sentence: string, cause?: unknown) {
    super(sentence, { cause });
    this.name = 'ReadError';
    this.code = code;
    this.canRetry = RETRYABLE.has(code);
  }

  /** @param advice what to look at: see whyUnreachable */
  static unreachable(server: string, advice: string, cause?: unknown): ReadError {
    return new ReadError('UNREACHABLE', cannotReach(server, advice), cause);
  }

  /** Translates the status that a call about a session ended with. */
  static fromStatus(error: ServiceError, server: string, sessionId: string): ReadError {
    const code = codeOf(error);
    return new ReadError(code, sentenceOf(code, error.details, server, sessionId), error);
  }
}

function codeOf(error: ServiceError): ReadErrorCode {
  switch (error.code) {
    case status.UNAVAILABLE:
      return isBrokenConnection(error) ? 'CONNECTION_LOST' : 'UNAVAILABLE';
    case status.RESOURCE_EXHAUSTED:
      return retryAfterMs(error.metadata) === null ? 'INVALID_REQUEST' : 'UNAVAILABLE';
    case status.NOT_FOUND:
      return 'UNKNOWN_SESSION';
    case status.INVALID_ARGUMENT:
    case status.OUT_OF_RANGE:
      return 'INVALID_REQUEST';
    case status.DATA_LOSS:
      return 'DATA_LOSS';
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return 'DENIED';
    case status.UNIMPLEMENTED:
      return 'NOT_LOGWEIR';
    case status.CANCELLED:
      return 'CANCELLED';
    case status.INTERNAL:
      // A stream that a proxy or a dying server resets arrives as INTERNAL.
      return /rst_stream/i.test(error.details) ? 'CONNECTION_LOST' : 'SERVER_FAILED';
    default:
      return 'SERVER_FAILED';
  }
}

function sentenceOf(code: ReadErrorCode, details: string, server: string, sessionId: string): string {
  const said = reasonIn(details) || NO_REASON;
  switch (code) {
    case 'CONNECTION_LOST':
      return connectionBroke(server);
    case 'UNAVAILABLE':
      return `the server at ${server} says: ${said}`;
    case 'UNKNOWN_SESSION':
      return `there is no session ${JSON.stringify(sessionId)}`;
    case 'INVALID_REQUEST':
      return `logweir refused the request: ${said}`;
    case 'DENIED':
      return deniedAccess(server, said);
    case 'NOT_LOGWEIR':
      return doesNotKnow(server, 'logging.v1.LogReader');
    case 'CANCELLED':
      return 'the reading was cancelled';
    default:
      return `logweir at ${server} cannot read the session: ${said}`;
  }
}
