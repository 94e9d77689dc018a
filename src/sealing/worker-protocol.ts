/**
 * What the pipeline and a compression thread say to each other. One job at a time: a request, then one reply.
 */
import type { FinishedContent } from '../segment/manifest.js';

export interface CompressionRequest {
  readonly compression: 'gzip' | 'none';
  /** zlib level, 1 to 9; not used with `none`. */
  readonly gzipLevel: number;
  /** Read only, never changed. */
  readonly rawPath: string;
  /** Temporary name that the finished bytes get; replaced when it exists. */
  readonly targetPath: string;
  /** What the writer counted while it wrote the raw file. */
  readonly bytes: number;
  readonly crc32: number;
}

/** `sha256` is computed from what stands in the target file. */
export type CompressionResult = FinishedContent;

export type CompressionReply =
  /** The target file is complete, verified and synced; its name is not. */
  | { readonly kind: 'done'; readonly result: CompressionResult }
  /** The raw file is gone, or it or the compressed one does not hold the bytes that were sealed. */
  | { readonly kind: 'unusable'; readonly message: string }
  /** A system call failed; `code` is its errno name. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  /** Anything else: a defect, or a segment that the compressor cannot take. */
  | { readonly kind: 'thrown'; readonly message: string };
