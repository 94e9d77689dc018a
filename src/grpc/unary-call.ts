import { type ServerUnaryCall, type StatusObject, type sendUnaryData, status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { LONG_SESSION_ID, NO_SESSION_ID } from '../frame/frame-view.js';
import { SESSION_ID_BYTES_MAX } from '../frame/limits.js';
import { isSystemError, StorageError } from '../segment/storage-error.js';
import { methodOf } from './log-service.js';
import { messageReaderOf } from './read-messages.js';
import { invalidRequest } from './status.js';

/** Who hears of a call's end. */
export interface CallEvents {
  handled(code: status): void;
  /** Something that is not the client's doing. */
  failed(error: unknown): void;
}

/** A call whose one request is there. */
interface RequestCall {
  readonly request: Buffer;
  getMetricsRecorder(): object;
}

/** Requests of one method, from the bytes that were sent. */
export class RequestReader<Request extends object> {
  readonly #name: string;
  readonly #bytesMax: number;
  readonly #deserialize: (bytes: Buffer) => Request;

  /** @param bytesMax of a request, inflated */
  constructor(service: string, method: string, bytesMax: number) {
    this.#name = `${method}Request`;
    this.#bytesMax = bytesMax;
    this.#deserialize = methodOf<Request, object>(service, method).requestDeserialize;
  }

  /** The request, or why it can't be had. @throws Overload */
  async read(call: RequestCall): Promise<Request | FrameProblem> {
    const bytes = await inflated(call);
    if (!Buffer.isBuffer(bytes)) {
      return bytes;
    }
    if (bytes.length > this.#bytesMax) {
      return { field: 'request', reason: `is larger than ${this.#bytesMax} bytes` };
    }
    try {
      return this.#deserialize(bytes);
    } catch {
      return { field: 'request', reason: `is not a valid ${this.#name} message` };
    }
  }
}

export function isProblem(request: object): request is FrameProblem {
  return 'reason' in request;
}

async function inflated(call: RequestCall): Promise<Buffer | FrameProblem> {
  const reader = messageReaderOf(call);
  if (!reader.received()) {
    return call.request;
  }
  const { outcome, release } = await reader.inflate(call.request);
  release();
  return outcome;
}

/** What is wrong with the session id of a request, if anything. */
export function sessionIdProblem(sessionId: string): FrameProblem | null {
  if (sessionId === '') {
    return NO_SESSION_ID;
  }
  return Buffer.byteLength(sessionId) > SESSION_ID_BYTES_MAX ? LONG_SESSION_ID : null;
}

export interface UnaryMethod<Request extends object, Response extends object> {
  readonly requests: RequestReader<Request>;
  /** The response, or the status that stands in its place. What it throws is reported as a failure. */
  answer(request: Request): Promise<Response | StatusObject>;
  /** The status of what was thrown. */
  failure(error: unknown): StatusObject;
}

/** One call from its request to its answer. */
export async function answerUnary<Request extends object, Response extends object>(
  call: ServerUnaryCall<Buffer, Response>,
  respond: sendUnaryData<Response>,
  method: UnaryMethod<Request, Response>,
  events: CallEvents,
): Promise<void> {
  const answer = await answerOf(call, method, events);
  const refusal = 'code' in answer ? answer : null;
  events.handled(call.cancelled ? status.CANCELLED : (refusal?.code ?? status.OK));
  if (refusal === null) {
    respond(null, answer as Response);
  } else {
    respond(refusal);
  }
}

/** Aborted when the client is gone. */
export function goneSignal(call: ServerUnaryCall<Buffer, object>): AbortSignal {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort());
  return gone.signal;
}

async function answerOf<Request extends object, Response extends object>(
  call: ServerUnaryCall<Buffer, Response>,
  method: UnaryMethod<Request, Response>,
  { failed }: CallEvents,
): Promise<Response | StatusObject> {
  try {
    const request = await method.requests.read(call);
    return isProblem(request) ? invalidRequest(request) : await method.answer(request);
  } catch (error) {
    const cause = isSystemError(error) ? StorageError.from(error) : error;
    failed(cause);
    return method.failure(cause);
  }
}
