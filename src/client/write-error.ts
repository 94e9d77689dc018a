import { type ServiceError, status } from '@grpc/grpc-js';

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
  /** A frame that can never be stored as it is; everything before it in its stream is. */
  | 'FRAME_REFUSED'
  /** The session already holds another frame under this number. */
  | 'CONFLICT'
  | 'DENIED'
  /** Something answered that does not speak logging.v1. */
  | 'NOT_LOGWEIR'
  | 'SERVER_FAILED'
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

/** What grpc-js itself says when no server spoke: there is no field that tells its UNAVAILABLE from the server's. */
const BROKEN_CONNECTION =
  /connection dropped|no connection established|name resolution|stream refused|rst_stream|goaway|http2|econn|socket/i;
/** The server's sentence begins with the position, which stands in a trailer as well. */
const FRAME_POSITION = /^frame \d+( \(counted from 0\))?: /;
/** What its sentence ends with where frames are in doubt, which whoever sent them knows better. */
const FRAMES_IN_DOUBT = /: frames of this stream are not known to be stored$/;
const FRAMES_WRITTEN_TRAILER = 'logweir-frames-written';
const FRAME_INDEX_TRAILER = 'logweir-frame-index';

/** One sentence in `message`; the cause, where there is one, in `cause`. */
export class WriteError extends Error {
  readonly code: WriteErrorCode;
  /** Whether sending the same frames again may succeed. */
  readonly canRetry: boolean;
  /** Position in its stream of the frame at fault, from 0: all before it are stored. */
  readonly frameIndex: number | null;
  /** How many frames of the stream the server reports as newly stored. */
  readonly framesWritten: number | null;

  constructor(
    code: WriteErrorCode,
    sentence: string,
    at: { cause?: unknown; frameIndex?: number | null; framesWritten?: number | null } = {},
  ) {
    super(sentence, { cause: at.cause });
    this.name = 'WriteError';
    this.code = code;
    this.canRetry = RETRYABLE.has(code);
    this.frameIndex = at.frameIndex ?? null;
    this.framesWritten = at.framesWritten ?? null;
  }

  static unreachable(server: string, cause?: unknown): WriteError {
    return new WriteError('UNREACHABLE', `cannot reach logweir at ${server}: is \`logweir serve\` running?`, { cause });
  }

  /** Translates the status a call ended with. */
  static fromStatus(error: ServiceError, server: string): WriteError {
    const code = codeOf(error);
    return new WriteError(code, sentenceOf(code, error.details, server), {
      cause: error,
      frameIndex: countIn(error, FRAME_INDEX_TRAILER),
      framesWritten: countIn(error, FRAMES_WRITTEN_TRAILER),
    });
  }
}

function codeOf(error: ServiceError): WriteErrorCode {
  switch (error.code) {
    case status.UNAVAILABLE:
      return BROKEN_CONNECTION.test(error.details) ? 'CONNECTION_LOST' : 'UNAVAILABLE';
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

function sentenceOf(code: WriteErrorCode, details: string, server: string): string {
  const said = details.replace(/\s+/g, ' ').replace(/\.$/, '').trim().replace(FRAMES_IN_DOUBT, '') || 'no reason given';
  switch (code) {
    case 'CONNECTION_LOST':
      return `the connection to logweir at ${server} broke`;
    case 'FRAME_REFUSED':
    case 'CONFLICT':
      return `logweir refused a frame: ${said.replace(FRAME_POSITION, '')}`;
    case 'DENIED':
      return `logweir at ${server} denied access: ${said}`;
    case 'NOT_LOGWEIR':
      return `the server at ${server} does not speak logging.v1: is it logweir?`;
    case 'CANCELLED':
      return 'the stream was cancelled';
    case 'TIMED_OUT':
      return `logweir at ${server} did not answer in time`;
    default:
      return `logweir at ${server} cannot store frames now: ${said}`;
  }
}

function countIn(error: ServiceError, trailer: string): number | null {
  const text = String(error.metadata.get(trailer)[0] ?? '');
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}
