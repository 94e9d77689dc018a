/** The entry of a compression thread: a request in, a reply out. */
import { rmSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { compressSegment } from './compress-segment.js';
import { errnoOf, isSealingError, messageOf } from './sealing-error.js';
import type { CompressionReply, CompressionRequest } from './worker-protocol.js';

parentPort?.on('message', (request: CompressionRequest) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a rule for browser windows
  parentPort?.postMessage(replyTo(request));
});

function replyTo(request: CompressionRequest): CompressionReply {
  try {
    return { kind: 'done', result: compressSegment(request) };
  } catch (error) {
    // Half a file helps nobody, and on a full disk its space is needed.
    rmSync(request.targetPath, { force: true });
    const message = messageOf(error);
    return isSealingError(error, 'unusable')
      ? { kind: 'unusable', message }
      : { kind: 'failed', code: errnoOf(error) ?? 'UNKNOWN', message };
  }
}
