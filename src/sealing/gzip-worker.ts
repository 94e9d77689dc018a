/** The entry of a compression thread: a request in, a reply out, and a counter in shared memory that goes up meanwhile. */
import { rmSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { systemCode } from '../segment/system-code.js';
import { compressSegment } from './compress-segment.js';
import { isSealingError, messageOf } from './sealing-error.js';
import type { CompressionReply, CompressionRequest } from './worker-protocol.js';

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what compression-pool.ts passes
const { progress } = workerData as { progress: Int32Array };
const getOn = (): void => void Atomics.add(progress, 0, 1);

parentPort?.on('message', (request: CompressionRequest) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a rule for browser windows
  parentPort?.postMessage(replyTo(request));
});

function replyTo(request: CompressionRequest): CompressionReply {
  getOn();
  try {
    return { kind: 'done', result: compressSegment(request, getOn) };
  } catch (error) {
    // Half a file helps nobody, and on a full disk its space is needed.
    rmSync(request.targetPath, { force: true });
    const message = messageOf(error);
    if (isSealingError(error, 'unusable')) {
      return { kind: 'unusable', message };
    }
    const code = systemCode(error);
    return code === null ? { kind: 'thrown', message } : { kind: 'failed', code, message };
  }
}
