import type { Publisher } from '../../../src/sealing/announcer.js';
import type { Announcement } from '../../../src/sealing/outbox-record.js';
import type { Random } from './random.js';
import type { ProcessClock } from './scheduler.js';

/** What was announced, and what is wrong with that. It outlives the process, as Redis does. */
export class SimulatedRedis {
  /** Content by event id, in the order of their first effect. */
  readonly events = new Map<string, string>();
  readonly violations: string[] = [];
  healed = false;
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** One effect however often it comes, as with the script; the content may not change. */
  take({ content }: Announcement): void {
    const text = JSON.stringify(content);
    const known = this.events.get(content.event_id);
    if (known !== undefined && known !== text) {
      this.violations.push(`${content.event_id} was announced with two contents`);
    }
    this.events.set(content.event_id, known ?? text);
  }
}

/** A connection that comes late, breaks, takes part of what it is given, and loses answers. */
export class SimulatedPublisher implements Publisher {
  usable = false;
  readonly #redis: SimulatedRedis;
  readonly #clock: ProcessClock;
  #onUsable: () => void = () => undefined;

  constructor(redis: SimulatedRedis, clock: ProcessClock) {
    this.#redis = redis;
    this.#clock = clock;
  }

  open(onUsable: () => void): void {
    this.#onUsable = onUsable;
    this.#connect();
  }

  publish(announcements: readonly Announcement[]): Promise<void> {
    const { random, healed } = this.#redis;
    const taken = healed || random.chance(0.7) ? announcements.length : random.between(0, announcements.length);
    const answered = healed || (taken === announcements.length && random.chance(0.8));
    return new Promise((resolve, reject) => {
      this.#clock.labelled(random.next() * 20, `publish ${taken}/${announcements.length}`, () => {
        for (const announcement of announcements.slice(0, taken)) {
          this.#redis.take(announcement);
        }
        this.#clock.labelled(random.next() * 20, answered ? 'published' : 'reply lost', () => {
          if (answered) {
            resolve();
            return;
          }
          this.usable = false;
          this.#connect();
          reject(new Error('the connection is lost'));
        });
      });
    });
  }

  close(): Promise<void> {
    this.usable = false;
    return Promise.resolve();
  }

  #connect(): void {
    this.#clock.labelled(this.#redis.random.next() * 1500, 'redis usable', () => {
      this.usable = true;
      this.#onUsable();
    });
  }
}
