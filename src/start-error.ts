import { isSystemError, StorageError } from './segment/storage-error.js';
import { systemReason } from './system-reason.js';

const EXIT_ERROR = 1;
export const EXIT_CONFIGURATION = 78;

/** The service can't start, and says why in one sentence. */
export class StartError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number, cause?: unknown) {
    super(message, { cause });
    this.name = 'StartError';
    this.exitCode = exitCode;
  }
}

/** What the disk refuses is for its operator; anything else is a fault of ours and keeps its stack. */
export function recoveryError(root: string, cause: unknown): unknown {
  if (!isSystemError(cause)) {
    return cause;
  }
  const { message } = StorageError.from(cause);
  const sentence = `LOG_DIR ${root} can't be recovered: ${message} (${cause.message}); nothing is lost, start again once that is mended`;
  return new StartError(sentence, EXIT_ERROR, cause);
}

export function listenError(protocol: 'GRPC' | 'HTTP', host: string, port: number, cause: unknown): StartError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const inUse = code === 'EADDRINUSE' || message.includes('EADDRINUSE');
  const reason = inUse ? 'the port is in use' : systemReason(cause as NodeJS.ErrnoException);
  const sentence = `${protocol}_HOST ${host}, ${protocol}_PORT ${port} can't be listened on: ${reason}`;
  return new StartError(sentence, EXIT_CONFIGURATION, cause);
}
