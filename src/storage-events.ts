import { isSystemError, StorageError } from './segment/storage-error.js';
import type { WriterEvents } from './session/writer-context.js';
import type { Logger } from './telemetry/logger.js';
import type { Metrics } from './telemetry/metrics.js';
import type { StorageFailures } from './telemetry/storage-failures.js';

/** What reads as nonsense is logged by the door that asked. */
export function historyError(session: string, cause: unknown, logger: Logger, metrics: Metrics): unknown {
  if (!isSystemError(cause)) {
    return cause;
  }
  const error = StorageError.from(cause);
  metrics.diskErrors.inc({ code: error.errno });
  logger.error({ code: error.errno, session, reason: cause.message }, `a session can't be opened: ${error.message}`);
  return error;
}

/** What failed in the session's own file was logged there. */
export function completionError(session: string, cause: unknown, logger: Logger, metrics: Metrics): unknown {
  if (!isSystemError(cause)) {
    return cause;
  }
  const error = StorageError.from(cause);
  metrics.diskErrors.inc({ code: error.errno });
  logger.error({ code: error.errno, session, reason: cause.message }, `a completion can't be stored: ${error.message}`);
  return error;
}

export function writerEvents(
  metrics: Metrics,
  failures: StorageFailures,
  { sealed, written }: Pick<WriterEvents, 'sealed' | 'written'>,
): WriterEvents {
  return {
    sealed(segment) {
      metrics.seals.inc({ reason: segment.reason });
      sealed(segment);
    },
    written,
    synced: (seconds) => metrics.fsyncSeconds.observe(seconds),
    durable: (seconds) => metrics.writeToDurableSeconds.observe(seconds),
    failed(sessionId, error, bySync) {
      metrics.diskErrors.inc({ code: error.errno });
      if (bySync) {
        metrics.fsyncFailures.inc();
      }
      failures.failed(sessionId, error.errno, error.message);
    },
    recovered: (sessionId) => failures.recovered(sessionId),
  };
}
