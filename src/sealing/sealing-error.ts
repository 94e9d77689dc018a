/**
 * Why a step failed, as far as what to do next depends on it:
 *
 * - `unusable`: the bytes are not those that were sealed, or are gone; some tries later the segment is given up
 * - `worker`: the thread died
 * - `closed`: the pipeline is closing
 *
 * Errors of the disk stay what they are (NodeJS.ErrnoException); they and `worker` are retried for ever.
 */
export type SealingErrorCode = 'unusable' | 'worker' | 'closed';

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
