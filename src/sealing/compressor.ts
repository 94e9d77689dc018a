import type { CompressionRequest, CompressionResult } from './worker-protocol.js';

/** Who compresses segments: threads (compression-pool.ts), or whatever a test brings. */
export interface Compressor {
  /**
   * The raw file is never changed; what is half done under `targetPath` may stay there after a failure.
   * @throws SealingError, or an error with the errno `code` of a failed system call
   */
  run(request: CompressionRequest): Promise<CompressionResult>;
  /** What is under way rejects with SealingError `closed`. */
  close(): Promise<void>;
}
