import type { Intake } from '../../../src/session/intake.js';
import type { Journal, SentFrame } from './journal.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';

/** How a frame is known again when it comes a second time. */
export type Numbering =
  /** By the agent's own seq: it is the only one that writes its session. */
  | 'client'
  /** By producer_id and producer_seq. */
  | 'producer'
  /** Not at all: each attempt is a frame of its own. */
  | 'assigned';

/** Where frames are taken: what the handlers of the write calls see of the server. */
export interface Door {
  newIntake(): Intake;
}

/** One stream to the server, until either end lets go of it. */
interface Connection {
  readonly door: Door;
  /** The next frame to be sent, as an index. */
  at: number;
  /** Batches that were sent and not answered. */
  unanswered: number;
  answers: Promise<void>;
}

const WINDOW_BATCHES = 4;

/**
 * Sends its frames in order, in batches, several of them on their way at a time, and again from the first one that was not
 * acknowledged whenever the connection ends: as the SDK does over WriteLogBatches.
 */
export class Agent {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #journal: Journal;
  readonly #door: () => Door | null;
  readonly #calm: () => boolean;
  readonly #name: string;
  readonly #numbering: Numbering;
  readonly #sessions: readonly [string, ...string[]];
  readonly #count: number;
  readonly #pauseMs: number;
  /** Those that are sent again as they were. */
  readonly #sent: SentFrame[] = [];
  #attempts = 0;
  #seq = 0;
  #acknowledged = 0;
  #connection: Connection | null = null;

  constructor(options: {
    scheduler: Scheduler;
    random: Random;
    journal: Journal;
    /** Null while there is no server. */
    door: () => Door | null;
    /** No connection breaks by itself any more. */
    calm: () => boolean;
    name: string;
    numbering: Numbering;
    sessions: readonly [string, ...string[]];
    frames: number;
  }) {
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#journal = options.journal;
    this.#door = options.door;
    this.#calm = options.calm;
    this.#name = options.name;
    this.#numbering = options.numbering;
    this.#sessions = options.sessions;
    this.#count = options.frames;
    this.#pauseMs = options.random.pick([1, 20, 200, 800]);
    this.#later(options.random.next() * 500);
  }

  get done(): boolean {
    return this.#acknowledged === this.#count;
  }

  /** The server went away, or is going. */
  disconnect(): void {
    if (this.#connection !== null) {
      this.#connection = null;
      this.#later(this.#random.next() * 800);
    }
  }

  #later(delayMs: number): void {
    const expected = this.#connection;
    this.#scheduler.after(delayMs, `agent ${this.#name}`, () => {
      // Another connection has a rhythm of its own.
      if (!this.done && this.#connection === expected) {
        this.#act();
      }
    });
  }

  #act(): void {
    const connection = this.#connection;
    if (connection === null) {
      this.#connect();
    } else if (connection.unanswered >= WINDOW_BATCHES || connection.at === this.#count) {
      this.#later(5 + this.#random.next() * 100);
    } else if (!this.#calm() && this.#random.chance(0.03)) {
      this.disconnect();
    } else {
      void this.#send(connection);
    }
  }

  #connect(): void {
    const door = this.#door();
    if (door !== null) {
      this.#connection = { door, at: this.#acknowledged, unanswered: 0, answers: Promise.resolve() };
    }
    this.#later(this.#random.next() * 100);
  }

  /** Does not reject. */
  async #send(connection: Connection): Promise<void> {
    const batch: SentFrame[] = [];
    const size = this.#random.between(1, 6);
    for (; batch.length < size && connection.at < this.#count; connection.at++) {
      batch.push(this.#frameAt(connection.at));
    }
    const end = connection.at;
    connection.unanswered++;
    try {
      const intake = connection.door.newIntake();
      await intake.pressure();
      for (const { bytes, content } of batch) {
        const problem = await intake.take(bytes, 0, bytes.length);
        if (problem !== null) {
          this.#journal.violations.push(`${content} was refused: ${problem.field} ${problem.reason}`);
        }
      }
      connection.answers = connection.answers.then(() => this.#settle(connection, intake, batch, end));
      await intake.pressure();
    } catch {
      this.#lose(connection);
    }
    if (this.#connection === connection) {
      this.#later(this.#random.next() * this.#pauseMs);
    }
  }

  /** Does not reject. */
  async #settle(connection: Connection, intake: Intake, batch: readonly SentFrame[], end: number): Promise<void> {
    try {
      await intake.settle();
    } catch {
      this.#lose(connection);
      return;
    }
    for (const frame of batch) {
      frame.acknowledged = true;
    }
    const lost = !this.#calm() && this.#random.chance(0.03);
    this.#scheduler.after(this.#random.next() * 30, `answer to ${this.#name}`, () => {
      if (this.#connection === connection && lost) {
        this.disconnect();
      } else if (this.#connection === connection) {
        connection.unanswered--;
        this.#acknowledged = Math.max(this.#acknowledged, end);
      }
    });
  }

  #lose(connection: Connection): void {
    if (this.#connection === connection) {
      this.disconnect();
    }
  }

  #frameAt(index: number): SentFrame {
    if (this.#numbering === 'assigned') {
      return this.#newFrame(`${this.#name}:${index}.${this.#attempts++}`, index);
    }
    const sent = this.#sent[index] ?? this.#newFrame(`${this.#name}:${index}`, index);
    this.#sent[index] = sent;
    return sent;
  }

  #newFrame(key: string, index: number): SentFrame {
    const random = this.#random;
    if (this.#numbering === 'client') {
      this.#seq += random.chance(0.1) ? random.between(2, 50) : 1;
    }
    const produced = this.#numbering === 'producer';
    return this.#journal.send({
      sessionId: random.pick(this.#sessions),
      content: `${key}:${'x'.repeat(random.chance(0.05) ? random.between(500, 3000) : random.between(0, 120))}`,
      seq: this.#seq,
      producerId: produced ? this.#name : '',
      producerSeq: produced ? index + 1 : 0,
      timeSeconds: random.chance(0.5) ? 1_763_719_200 + index : null,
    });
  }
}
