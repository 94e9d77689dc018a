import type { Logger } from './logger.js';

const PERIOD_MS = 60_000;
const SESSIONS_PER_PERIOD_MAX = 20;
const SENTENCE =
  'a frame was refused: its number is used; do two agents number this session, or did one start its counter again?';

/** A frame that was refused because its session had used its number for another one. */
export interface RefusedNumber {
  readonly sessionId: string;
  readonly seq: number;
  readonly lastSeq: number;
}

/**
 * Says which sessions' numbers are in conflict: a session once a minute, so many sessions a minute, and after it how many frames that
 * was. An agent that is wrong once is wrong with every frame, and each is reported to it.
 */
export class ConflictLog {
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #said = new Set<string>();
  #frames = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;

  /** @param nowMs monotonic milliseconds */
  constructor(logger: Logger, nowMs: () => number) {
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  refused({ sessionId, seq, lastSeq }: RefusedNumber): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#sinceMs >= PERIOD_MS) {
      if (this.#frames > this.#said.size) {
        this.#logger.warn({ frames: this.#frames }, 'frames were refused because their numbers were used');
      }
      this.#sinceMs = nowMs;
      this.#frames = 0;
      this.#said.clear();
    }
    this.#frames++;
    if (this.#said.size < SESSIONS_PER_PERIOD_MAX && !this.#said.has(sessionId)) {
      this.#said.add(sessionId);
      this.#logger.warn({ session: sessionId, seq, last_seq: lastSeq }, SENTENCE);
    }
  }
}
