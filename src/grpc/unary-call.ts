import { type ServerUnaryCall, type StatusObject, type sendUnaryData, status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { isSystemError, StorageError } from '../segment/storage-error.js';
import { messageReaderOf } from './read-messages.js';
import { invalidRequest } from './status.js';

export interface UnaryParts {
  handled(code: status): void;
  /** Something that is not the client's doing. */
  failed(error: unknown): void;
}

/**
 * One call whose request is read raw: what can't be read is refused by `answer`, as all else that is wrong with it.
 * @param answer what to respond to the request's bytes: a message, or the status to end with
 * @param parts with the status for what `answer` threw
 */
export async function answerUnary<Response extends object>(
  call: ServerUnaryCall<Buffer, Response>,
  respond: sendUnaryData<Response>,
  parts: UnaryParts & { notAnswered(error: unknown): StatusObject },
  answer: (bytes: Buffer) => Promise<Response | StatusObject>,
): Promise<void> {
  const answered = await answerOf(call, parts, answer);
  const isStatus = 'code' in answered;
  parts.handled(call.cancelled ? status.CANCELLED : isStatus ? answered.code : status.OK);
  if (isStatus) {
    respond(answered);
  } else {
    respond(null, answered);
  }
}

async function answerOf<Response extends object>(
  call: ServerUnaryCall<Buffer, Response>,
  { failed, notAnswered }: UnaryParts & { notAnswered(error: unknown): StatusObject },
  answer: (bytes: Buffer) => Promise<Response | StatusObject>,
): Promise<Response | StatusObject> {
  try {
    const bytes = await inflated(call);
    return Buffer.isBuffer(bytes) ? await answer(bytes) : invalidRequest(bytes);
  } catch (error) {
    const cause = isSystemError(error) ? StorageError.from(error) : error;
    failed(cause);
    return notAnswered(cause);
  }
}

/** The request as it was sent, or why it can't be had. @throws Overload */
async function inflated(call: ServerUnaryCall<Buffer, unknown>): Promise<Buffer | FrameProblem> {
  const reader = messageReaderOf(call);
  if (!reader.received()) {
    return call.request;
  }
  const { outcome, release } = await reader.inflate(call.request);
  release();
  return outcome;
}
