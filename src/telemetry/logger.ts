import { destination, pino } from 'pino';

/** The service's own structured log. `fields` are flat; errors go under `err`. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** `fatal` and `child` are pino's. */
  fatal(fields: object, message: string): void;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** One JSON object a line on stderr: `level` as a word, `timestamp` as RFC 3339. */
export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: { service: 'logweir', pid: process.pid },
      timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['redisUrl', '*.redisUrl', 'password', '*.password'], censor: '***' },
    },
    // Synchronous: the last line before an exit is the one that matters.
    destination({ fd: 2, sync: true }),
  );
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
};
