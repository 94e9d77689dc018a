import type { Core } from '../../../src/core.js';
import type { Journal } from './journal.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';

/** Says of sessions that they are over, now and then, whatever becomes of them: as somebody who knows little of those who write. */
export class Completer {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #journal: Journal;
  readonly #core: () => Core | null;
  readonly #sessions: readonly [string, ...string[]];
  #callsLeft: number;
  /** Grows when the server goes away: what was asked of it then is never heard of. */
  #life = 0;
  #isWaiting = false;

  constructor(options: {
    scheduler: Scheduler;
    random: Random;
    journal: Journal;
    /** Null while there is no server. */
    core: () => Core | null;
    sessions: readonly [string, ...string[]];
  }) {
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#journal = options.journal;
    this.#core = options.core;
    this.#sessions = options.sessions;
    this.#callsLeft = options.random.chance(0.5) ? options.random.between(1, 12) : 0;
    this.#later();
  }

  get done(): boolean {
    return this.#callsLeft === 0 && !this.#isWaiting;
  }

  /** The server went away, or is going. */
  disconnect(): void {
    this.#life++;
    if (this.#isWaiting) {
      this.#isWaiting = false;
      this.#later();
    }
  }

  #later(): void {
    const life = this.#life;
    if (this.#callsLeft > 0) {
      this.#scheduler.after(this.#random.next() * 1200, 'completer', () => {
        if (life === this.#life) {
          this.#act();
        } else {
          this.#later();
        }
      });
    }
  }

  #act(): void {
    const core = this.#core();
    if (core === null) {
      this.#later();
      return;
    }
    const random = this.#random;
    const told = this.#journal.tell({
      sessionId: random.pick(this.#sessions),
      status: random.pick(['completed', 'failed', 'stopped']),
      exitCode: random.pick([null, 0, 1]),
    });
    const life = this.#life;
    this.#callsLeft--;
    this.#isWaiting = true;
    const answered = (): void => {
      if (life === this.#life) {
        this.#isWaiting = false;
        this.#later();
      }
    };
    core.completeSession(told.sessionId, told.status, told.exitCode).then(
      (outcome) => {
        told.outcome = outcome;
        answered();
      },
      // A disk that fails: it may be completed, or not.
      answered,
    );
  }
}
