import type { OutputStream } from './command-io.js';
import type { LiveStatus } from './live-status.js';

/** Passes bytes through for as long as somebody reads them: what becomes of the session does not depend on that. */
export class Tee {
  readonly #to: OutputStream;
  readonly #status: LiveStatus;
  #isBroken = false;
  #resume = () => {};

  /** @param onBroken is called once when nothing can be passed through any more */
  constructor(to: OutputStream, status: LiveStatus, onBroken: (error: NodeJS.ErrnoException) => void) {
    this.#to = to;
    this.#status = status;
    // A listener of our own: the process is not to end because `logweir run --tee … | head` has seen enough.
    to.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.#isBroken) {
        this.#isBroken = true;
        onBroken(error);
      }
      this.#resume();
    });
    to.on('drain', () => this.#resume());
  }

  /** At the pace of the reader. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#isBroken) {
      return;
    }
    if (this.#to.isTTY === true) {
      this.#status.yieldTo(chunk);
    }
    if (!this.#to.write(chunk)) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    }
  }
}
