import type { Clock } from '../../../src/segment/clock.js';
import type { Random } from './random.js';

interface Event {
  readonly atMs: number;
  /** Of two at the same time the one that was made first comes first. */
  readonly order: number;
  readonly label: string;
  /** Null once it was called off. */
  run: (() => void) | null;
}

/**
 * Simulated time: one queue of events, and nothing happens but in them.
 *
 * *Determinism*: an event runs, then everything that waits for it (microtasks, to the last), then the next event. Whatever is
 * simulated takes its time, its chance and its deferred work from here; no timer, thread or socket of the system is used.
 */
export class Scheduler {
  nowMs = 0;
  /** That ran. */
  events = 0;
  /** Hears of each event. */
  trace: ((line: string) => void) | null = null;
  readonly #heap: Event[] = [];
  #made = 0;

  /** Calls `run` after `delayMs` unless the returned function is called first. */
  after(delayMs: number, label: string, run: () => void): () => void {
    const event: Event = { atMs: this.nowMs + delayMs, order: this.#made++, label, run };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  /** Runs the next event and all that follows from it at once. False when there is none. */
  async step(): Promise<boolean> {
    for (let event = this.#pop(); event !== null; event = this.#pop()) {
      if (event.run !== null) {
        this.nowMs = event.atMs;
        this.events++;
        this.trace?.(`${event.atMs.toFixed(3)} ${event.label}`);
        event.run();
        await allMicrotasks();
        return true;
      }
    }
    return false;
  }

  /** Puts it behind the last, then before each parent that is due later. */
  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    for (
      let parent = heap[(at - 1) >> 1];
      parent !== undefined && before(event, parent);
      parent = heap[(at - 1) >> 1]
    ) {
      heap[at] = parent;
      at = (at - 1) >> 1;
    }
    heap[at] = event;
  }

  #pop(): Event | null {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) {
      return null;
    }
    if (heap.length > 0) {
      this.#sink(last);
    }
    return first;
  }

  /** Puts it at the top, then behind each child that is due earlier. */
  #sink(event: Event): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const child = right !== undefined && left !== undefined && before(right, left) ? right : left;
      if (child === undefined || before(event, child)) {
        break;
      }
      heap[at] = child;
      at = 2 * at + (child === left ? 1 : 2);
    }
    heap[at] = event;
  }
}

function before(one: Event, other: Event): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}

function allMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The clock of one process: it dies with it, and its timers with it. */
export class ProcessClock implements Clock {
  alive = true;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #wallMs: () => number;
  readonly #startedAtMs: number;

  constructor(scheduler: Scheduler, random: Random, wallMs: () => number) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#wallMs = wallMs;
    this.#startedAtMs = scheduler.nowMs;
  }

  readonly monotonicMs = (): number => this.#scheduler.nowMs - this.#startedAtMs;

  readonly wallMs = (): number => Math.floor(this.#wallMs());

  every(intervalMs: number, run: () => void): () => void {
    let stopped = false;
    let cancel: () => void = () => undefined;
    const arm = (): void => {
      cancel = this.labelled(intervalMs, 'tick', () => {
        run();
        if (!stopped) {
          arm();
        }
      });
    };
    arm();
    return () => {
      stopped = true;
      cancel();
    };
  }

  after(delayMs: number, run: () => void): () => void {
    return this.labelled(delayMs, 'timer', run);
  }

  /** A turn of the event loop takes no time to speak of; what else became due meanwhile may come first. */
  soon(run: () => void): void {
    this.labelled(this.#random.next() * 0.05, 'soon', run);
  }

  labelled(delayMs: number, label: string, run: () => void): () => void {
    return this.#scheduler.after(delayMs, label, () => {
      if (this.alive) {
        run();
      }
    });
  }
}
