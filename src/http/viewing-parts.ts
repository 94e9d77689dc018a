import type { LogSource } from '../reading/log-source.js';
import type { Logger } from '../telemetry/logger.js';
import type { Viewers } from './viewers.js';

/** What every door for viewers stands before. */
export interface ViewingParts {
  readonly source: LogSource;
  readonly viewers: Viewers;
  readonly logger: Logger;
  /** How often a quiet stream says that it is there. */
  readonly heartbeatMs: number;
}
