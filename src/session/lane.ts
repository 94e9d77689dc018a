import { type Clock, systemClock } from '../segment/clock.js';

/**
 * Bounded work on many sessions.
 *
 * *Ordering*: flows take turns, and within a flow it is first come, first served. A flow is whatever must not delay
 * another: work of a stream that opens twenty thousand sessions stands in one line, and the work of any other stream is
 * next but one for each stream that waits. *Gathering*: work that becomes due starts after the current turn of the event
 * loop, so everything that one turn read from the sockets is one batch; while all places are taken, more gathers. That
 * is the group commit: nothing sleeps, and batches grow with the load by themselves.
 */
export class Lane {
  readonly #places: (waiting: number) => number;
  readonly #clock: Clock;
  #taken = 0;
  #waiting = 0;
  #scheduled = false;
  /** Those with work, the one whose turn is next first. */
  readonly #flows = new Map<object, Line>();

  /** @param places how many work at once when so many wait, at least 1 */
  constructor(places: number | ((waiting: number) => number), clock: Clock = systemClock) {
    this.#places = typeof places === 'number' ? () => places : places;
    this.#clock = clock;
  }

  /** Runs `work` when there is a place and it is its flow's turn. `work` must not reject. */
  enqueue(work: () => Promise<void>, flow: object): void {
    const line = this.#flows.get(flow);
    if (line === undefined) {
      this.#flows.set(flow, new Line(work));
    } else {
      line.push(work);
    }
    this.#waiting++;
    if (!this.#scheduled && this.#taken < this.#places(this.#waiting)) {
      this.#scheduled = true;
      this.#clock.soon(() => {
        this.#scheduled = false;
        this.fill();
      });
    }
  }

  /** Begins what there are places for. To be called by others only when there may be more of them than before. */
  fill(): void {
    for (const [flow, line] of this.#flows) {
      if (this.#taken >= this.#places(this.#waiting)) {
        return;
      }
      // Behind all others, where this loop comes to it again.
      this.#flows.delete(flow);
      const work = line.shift();
      if (!line.isEmpty) {
        this.#flows.set(flow, line);
      }
      this.#taken++;
      this.#waiting--;
      void this.#run(work);
    }
  }

  async #run(work: () => Promise<void>): Promise<void> {
    await work();
    this.#taken--;
    this.fill();
  }
}

/** The work of one flow, never empty while the lane has it. */
class Line {
  #works: (() => Promise<void>)[];
  #head = 0;

  constructor(first: () => Promise<void>) {
    this.#works = [first];
  }

  get isEmpty(): boolean {
    return this.#head === this.#works.length;
  }

  push(work: () => Promise<void>): void {
    this.#works.push(work);
  }

  shift(): () => Promise<void> {
    const work = this.#works[this.#head++];
    if (work === undefined) {
      throw new Error('a line without work is kept by no lane');
    }
    // An array shifted at its front would cost its length each time.
    if (this.#head > 1024 && this.#head * 2 > this.#works.length) {
      this.#works = this.#works.slice(this.#head);
      this.#head = 0;
    }
    return work;
  }
}
