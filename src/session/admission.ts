/**
 * The byte budget of everything that is encoded and not written yet.
 *
 * *Rule*: whoever adds bytes asks `over` afterwards and stops reading its stream until `whenBelow` resolves; HTTP/2 flow
 * control then reaches the agent. The budget is therefore passed by at most one frame per stream. Reading goes on at
 * three quarters, so that a stream at the edge does not stop and go with every frame.
 */
export class Admission {
  readonly #limit: number;
  readonly #lowWater: number;
  #bytes = 0;
  #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
    this.#lowWater = Math.floor(limit * 0.75);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get over(): boolean {
    return this.#bytes > this.#limit;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#waiting.length > 0 && this.#bytes <= this.#lowWater) {
      this.releaseAll();
    }
  }

  whenBelow(): Promise<void> {
    if (!this.over) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Lets everybody go on, for closing. */
  releaseAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) {
      resume();
    }
  }
}
