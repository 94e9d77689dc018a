/**
 * Bounded work on many sessions.
 *
 * *Ordering*: first come, first served. *Gathering*: work that becomes due starts after the current turn of the event
 * loop, so everything that one turn read from the sockets is one batch; while all places are taken, more gathers. That
 * is the group commit: nothing sleeps, and batches grow with the load by themselves.
 */
export class Lane {
  readonly #placesMax: number;
  #taken = 0;
  #scheduled = false;
  #queue: (() => Promise<void>)[] = [];
  #head = 0;

  constructor(placesMax: number) {
    this.#placesMax = placesMax;
  }

  /** Runs `work` when there is a place. `work` must not reject. */
  enqueue(work: () => Promise<void>): void {
    this.#queue.push(work);
    if (!this.#scheduled && this.#taken < this.#placesMax) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#fill();
      });
    }
  }

  #fill(): void {
    while (this.#taken < this.#placesMax && this.#head < this.#queue.length) {
      const work = this.#queue[this.#head++];
      if (work !== undefined) {
        this.#taken++;
        void this.#run(work);
      }
    }
    this.#compact();
  }

  async #run(work: () => Promise<void>): Promise<void> {
    await work();
    this.#taken--;
    this.#fill();
  }

  /** An array shifted at its front would cost its length each time. */
  #compact(): void {
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }
}
