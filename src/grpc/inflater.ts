import { promisify } from 'node:util';
import { gunzip, gunzipSync, inflate, inflateSync } from 'node:zlib';
import type { FrameProblem } from '../frame/frame-problem.js';
import { Lane } from '../session/lane.js';

/** Of the 16 threads that the disk needs too. */
const PLACES = 4;

export type Encoding = 'identity' | 'gzip' | 'deflate' | 'unknown';

/** As gRPC names what it can inflate, for `grpc-accept-encoding`. */
export const ACCEPTED_ENCODINGS = 'identity,deflate,gzip';

export const UNKNOWN_ENCODING: FrameProblem = {
  field: 'frame',
  reason: `is compressed with an encoding that is none of ${ACCEPTED_ENCODINGS}`,
};
const NOT_COMPRESSED: FrameProblem = {
  field: 'frame',
  reason: 'is marked as compressed, but its stream names no encoding',
};
const DOES_NOT_INFLATE: FrameProblem = { field: 'frame', reason: 'is compressed and does not inflate' };

/** The value of `grpc-encoding` as far as it is known here. */
export function encodingOf(name: string): Encoding {
  return name === 'identity' || name === 'gzip' || name === 'deflate' ? name : 'unknown';
}

const gunzipLater = promisify(gunzip);
const inflateLater = promisify(inflate);

/**
 * Inflates messages, a few at a time for the whole process, streams taking turns. Never more than one byte past the limit
 * comes out, which is enough to refuse the message by its index: zlib stops there.
 */
export class Inflater {
  readonly #lane = new Lane(PLACES);

  /** @param stream whose message it is: streams take turns. Resolves to the bytes, or to why there are none. */
  inflate(message: Buffer, encoding: Encoding, limit: number, stream: object): Promise<Buffer | FrameProblem> {
    const problem = problemOf(encoding);
    if (problem !== null) {
      return Promise.resolve(problem);
    }
    const run = encoding === 'gzip' ? gunzipLater : inflateLater;
    return new Promise((resolve) => {
      this.#lane.enqueue(async () => {
        resolve(await run(message, { maxOutputLength: limit }).catch((error: unknown) => failure(error, limit)));
      }, stream);
    });
  }
}

/** At once and on this thread: for limits of a few kilobytes. @throws when it does not inflate to `limit` bytes or fewer */
export function inflateNow(message: Buffer, encoding: Encoding, limit: number): Buffer {
  const problem = problemOf(encoding);
  if (problem !== null) {
    throw new Error(`the message ${problem.reason}`);
  }
  return encoding === 'gzip'
    ? gunzipSync(message, { maxOutputLength: limit })
    : inflateSync(message, { maxOutputLength: limit });
}

function problemOf(encoding: Encoding): FrameProblem | null {
  if (encoding === 'unknown') {
    return UNKNOWN_ENCODING;
  }
  return encoding === 'identity' ? NOT_COMPRESSED : null;
}

/** A message that is too large becomes one byte too long: whoever takes it says the sentence for that. */
function failure(error: unknown, limit: number): Buffer | FrameProblem {
  const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
  return tooLarge ? Buffer.alloc(limit + 1) : DOES_NOT_INFLATE;
}
