/**
 * Why a step failed, as far as what to do next depends on it:
 *
 * - `unusable`: the bytes are not those that were sealed, or are gone
 * - `worker`: the thread died, threw or stood still while it was at the segment
 * - `not started`: there was no thread to be had
 * - `closed`: the pipeline is closing
 *
 * After some of the first two the segment is given up. Errors of the disk stay what they are (NodeJS.ErrnoException); they
 * and `not started` say nothing about the segment, and are retried for ever.
 */
export type SealingErrorCode = 'unusable' | 'worker' | 'not started' | 'closed';

export class SealingError extends Error {
  readonly code: SealingErrorCode;

  constructor(code: SealingErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SealingError';
    this.code = code;
  }
}

/** The errno name (ENOSPC, EIO, …) of a failed system call. */
export function errnoOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function isSealingError(error: unknown, code: SealingErrorCode): boolean {
  return error instanceof SealingError && error.code === code;
}
