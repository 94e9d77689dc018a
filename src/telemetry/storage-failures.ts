import type { Logger } from './logger.js';

const REMINDER_MS = 60_000;

/**
 * Says that frames can't be stored: once when that begins, once a minute while it lasts, once when it is over. A full disk
 * fails every session every two seconds; a line for each would flood the log, which may lie on that very disk.
 */
export class StorageFailures {
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #sessions = new Set<string>();
  #saidAtMs = Number.NEGATIVE_INFINITY;

  /** @param nowMs monotonic milliseconds */
  constructor(logger: Logger, nowMs: () => number) {
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  failed(sessionId: string, code: string, message: string): void {
    this.#sessions.add(sessionId);
    const nowMs = this.#nowMs();
    if (nowMs - this.#saidAtMs >= REMINDER_MS) {
      this.#saidAtMs = nowMs;
      this.#logger.error(
        { code, session: sessionId, sessions: this.#sessions.size },
        `frames can't be stored: ${message}`,
      );
    }
  }

  recovered(sessionId: string): void {
    if (this.#sessions.delete(sessionId) && this.#sessions.size === 0) {
      this.#saidAtMs = Number.NEGATIVE_INFINITY;
      this.#logger.info({}, 'frames are stored again');
    }
  }
}
