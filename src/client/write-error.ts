import { type ServiceError, status } from '@grpc/grpc-js';
import { isBrokenConnection } from './channel.js';
import { retryAfterMs } from './retry-info.js';
import { cannotReach, connectionBroke, deniedAccess, doesNotKnow, NO_REASON, reasonIn } from './server-sentences.js';

/** Why frames could not be stored: a closed set, so that a program can decide without reading sentences. */
export type WriteErrorCode =
  /** No connection within the deadline. */
  | 'UNREACHABLE'
  /** The connection broke; frames that were not acknowledged may or may not be stored. */
  | 'CONNECTION_LOST'
  /** The server says: not now (it is shutting down, its disk is full). */
  | 'UNAVAILABLE'
  /** The server says: slow down. */
  | 'OVERLOADED'
  /** Neither an answer nor room for more within the time limit. */
  | 'TIMED_OUT'
  /** A frame that can never be stored as it is. */
  | 'FRAME_REFUSED'
  /** The session already holds another frame under this number. */
  | 'CONFLICT'
  | 'DENIED'
  /** Something answered that does not speak logging.v1. */
  | 'NOT_LOGWEIR'
  | 'SERVER_FAILED'
  /** Of a session that is to be completed: nothing is stored under its id, … */
  | 'UNKNOWN_SESSION'
  /** … or it was completed at the same line in another way. */
  | 'ALREADY_COMPLETED'
  /** A request that can never be answered as it is. */
  | 'REQUEST_REFUSED'
  /** Ended by this side. */
  | 'CANCELLED';

const RETRYABLE: ReadonlySet<WriteErrorCode> = new Set([
  'UNREACHABLE',
  'CONNECTION_LOST',
  'UNAVAILABLE',
  'OVERLOADED',
  'TIMED_OUT',
  // A stream that a proxy or a dying server resets arrives as INTERNAL, and the next one may be fine.
  'SERVER_FAILED',
]);

/** What a sentence about a batch that was refused whole begins with. */
const BATCH_POSITION = /^the (first batch|batch after batch_id \d+): /;
/** What its sentence ends with where frames are in doubt, which whoever sent them knows better. */
const FRAMES_IN_DOUBT = /: frames of this stream are not known to be stored$/;

/** One sentence in `message`; the cause, where there is one, in `cause`. */
export class WriteError extends Error {
  readonly code: WriteErrorCode;
  /** Whether sending the same frames again may succeed. */
  readonly canRetry: boolean;
  /** How long the server asks to be left alone, or null. */
  readonly retryAfterMs: number | null;

  constructor(code: WriteErrorCode, sentence: string, at: { cause?: unknown; retryAfterMs?: number | null } = {}) {
    super(sentence, { cause: at.cause });
    this.name = 'WriteError';
    this.code = code;
    this.canRetry = RETRYABLE.has(code);
    this.retryAfterMs = at.retryAfterMs ?? null;
  }

  /** @param advice what to look at: see whyUnreachable */
  static unreachable(server: string, advice: string, cause?: unknown): WriteError {
    return new WriteError('UNREACHABLE', cannotReach(server, advice), { cause });
  }

  /** Frames were given up although the server is back. */
  static awayTooLong(server: string): WriteError {
    return new WriteError('UNREACHABLE', `logweir at ${server} was away for longer than frames could be kept`);
  }

  /** Translates the status a call ended with. */
  static fromStatus(error: ServiceError, server: string): WriteError {
    const code = codeOf(error);
    return new WriteError(code, sentenceOf(code, error.details, server), {
      cause: error,
      retryAfterMs: retryAfterMs(error.metadata),
    });
  }

  /** A frame that the server named in an acknowledgement. */
  static refused(field: string, reason: string): WriteError {
    return new WriteError('FRAME_REFUSED', `logweir refused a frame: ${field} ${reason}`);
  }
}

export function codeOf(error: ServiceError): WriteErrorCode {
  switch (error.code) {
    case status.UNAVAILABLE:
      return isBrokenConnection(error) ? 'CONNECTION_LOST' : 'UNAVAILABLE';
    case status.RESOURCE_EXHAUSTED:
      return /larger than max/i.test(error.details) ? 'FRAME_REFUSED' : 'OVERLOADED';
    case status.DEADLINE_EXCEEDED:
      return 'TIMED_OUT';
    case status.INVALID_ARGUMENT:
    case status.OUT_OF_RANGE:
    case status.FAILED_PRECONDITION:
      return 'FRAME_REFUSED';
    case status.ALREADY_EXISTS:
      return 'CONFLICT';
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return 'DENIED';
    case status.UNIMPLEMENTED:
      return 'NOT_LOGWEIR';
    case status.CANCELLED:
      return 'CANCELLED';
    default:
      return /serialization failure/i.test(error.details) ? 'FRAME_REFUSED' : 'SERVER_FAILED';
  }
}

/** What the server said, for the middle of a sentence. */
export function saidIn(details: string): string {
  return reasonIn(details).replace(FRAMES_IN_DOUBT, '') || NO_REASON;
}

export function sentenceOf(code: WriteErrorCode, details: string, server: string): string {
  const said = saidIn(details);
  switch (code) {
    case 'CONNECTION_LOST':
      return connectionBroke(server);
    case 'FRAME_REFUSED':
    case 'CONFLICT':
      return `logweir refused a frame: ${said.replace(BATCH_POSITION, '')}`;
    case 'DENIED':
      return deniedAccess(server, said);
    case 'NOT_LOGWEIR':
      return doesNotKnow(server, 'logging.v1.LogService/WriteLogBatches');
    case 'CANCELLED':
      return 'the stream was cancelled';
    case 'TIMED_OUT':
      return `logweir at ${server} did not answer in time`;
    default:
      return `logweir at ${server} cannot store frames now: ${said}`;
  }
}
