import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';

/** A file that was moved to quarantine/ (`bytes` of it), left alone or written again. */
export interface Repair {
  readonly file: string;
  readonly action: string;
  readonly reason: string;
  readonly bytes: number;
}

const SENTENCES: Readonly<Record<string, string>> = {
  ignored: 'recovery left a file alone',
  rewritten: 'recovery wrote a manifest again',
};

/** Logs and counts what recovery did to a file. */
export function repairReport(logger: Logger, metrics: Metrics): (repair: Repair) => void {
  return (repair) => {
    metrics.quarantinedBytes.inc(repair.bytes);
    logger.warn({ ...repair }, SENTENCES[repair.action] ?? 'recovery kept bytes in quarantine');
  };
}
