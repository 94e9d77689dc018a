import { systemCode } from './system-code.js';

/** Why bytes could not be stored: a closed set, so that gRPC and HTTP translate it in one place each. */
export type StorageErrorCode =
  /** ENOSPC, EDQUOT: goes on by itself when there is room again. */
  | 'DISK_FULL'
  /** EROFS, EACCES, EPERM */
  | 'DISK_READ_ONLY'
  /** EMFILE, ENFILE */
  | 'TOO_MANY_FILES'
  /** EIO and everything else. */
  | 'DISK_FAILED';

const CODES: Readonly<Record<string, StorageErrorCode>> = {
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EROFS: 'DISK_READ_ONLY',
  EACCES: 'DISK_READ_ONLY',
  EPERM: 'DISK_READ_ONLY',
  EMFILE: 'TOO_MANY_FILES',
  ENFILE: 'TOO_MANY_FILES',
};

const SENTENCES: Readonly<Record<StorageErrorCode, string>> = {
  DISK_FULL: 'the disk is full',
  DISK_READ_ONLY: 'the disk does not take writes',
  TOO_MANY_FILES: 'the process has no file descriptor left',
  DISK_FAILED: 'the disk failed',
};

export class StorageError extends Error {
  readonly code: StorageErrorCode;
  /** The system's own code (`EIO`), for the log and the metrics. */
  readonly errno: string;

  private constructor(code: StorageErrorCode, errno: string, cause: unknown) {
    super(SENTENCES[code], { cause });
    this.name = 'StorageError';
    this.code = code;
    this.errno = errno;
  }

  /** Classifies whatever a file operation threw. */
  static from(cause: unknown): StorageError {
    if (cause instanceof StorageError) {
      return cause;
    }
    const errno = systemCode(cause) ?? (cause as NodeJS.ErrnoException | null)?.code ?? 'UNKNOWN';
    return new StorageError(CODES[errno] ?? 'DISK_FAILED', errno, cause);
  }
}

/** A system call failed, as opposed to what was read making no sense. Node's own codes (`ERR_…`) are none of the system's. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && systemCode(error) !== null;
}
