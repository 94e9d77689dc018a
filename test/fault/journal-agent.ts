import type { FrameFields } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import type { StoredLine } from '../support/stored.js';

export interface AgentOptions {
  readonly sessionId: string;
  readonly producerId: string;
  readonly framesPerBatch: number;
  /** The content of the frame number `count`. */
  readonly content?: (count: number) => string;
}

/**
 * An agent that keeps a journal: it sends batches over WriteLogBatches, notes what was acknowledged, and sends the rest again
 * under the same producer_seq when a call ends.
 */
export class JournalAgent {
  readonly options: AgentOptions;
  /** The highest producer_seq that was ever sent. */
  sent = 0;
  acknowledged = 0;
  /** How the calls ended, in order. */
  readonly endings: string[] = [];

  constructor(options: AgentOptions) {
    this.options = options;
  }

  /** One call: sends the frames up to `last`, batch by batch; resolves when they are acknowledged or the call is over. */
  async call(address: string, last: number, window = 4): Promise<boolean> {
    using client = new LogClient(address);
    const stream = client.openBatches();
    const { framesPerBatch } = this.options;
    let over = false;
    void stream.ended.then(() => {
      over = true;
    });
    const ends: number[] = [];
    const note = (): void => {
      const batchId = stream.acks.at(-1)?.batch_id;
      if (batchId !== undefined && stream.acks.every(({ rejected }) => rejected.length === 0)) {
        this.acknowledged = Math.max(this.acknowledged, ends[batchId - 1] ?? 0);
      }
    };
    let next = this.acknowledged + 1;
    for (let batch = 1; next <= last && !over; batch++) {
      const to = Math.min(last, next + framesPerBatch - 1);
      ends.push(to);
      stream.send(batch, this.#frames(next, to));
      this.sent = Math.max(this.sent, to);
      next = to + 1;
      if (batch > window) {
        await stream.acknowledged(batch - window).catch(() => undefined);
        note();
      }
    }
    await stream.acknowledged(ends.length).catch(() => undefined);
    note();
    const { code, details } = await stream.finish();
    note();
    this.endings.push(`${code} ${details}`);
    return this.acknowledged >= last;
  }

  /** Holds everything that is stored of the session by this agent against the journal. Throws at the first fault. */
  check(lines: readonly StoredLine[]): void {
    const { producerId, sessionId } = this.options;
    const mine = lines.filter((line) => line['producer_id'] === producerId);
    let seq = 0;
    mine.forEach((line, index) => {
      const count = index + 1;
      if (line.seq <= seq || line['producer_seq'] !== count || line.content !== this.#content(count)) {
        throw new Error(
          `${sessionId}: ${JSON.stringify(line).slice(0, 200)} after seq ${seq}, where frame ${count} is due`,
        );
      }
      seq = line.seq;
    });
    if (mine.length < this.acknowledged || mine.length > this.sent) {
      throw new Error(
        `${sessionId}: ${mine.length} frames are stored; ${this.acknowledged} were acknowledged, ${this.sent} sent`,
      );
    }
  }

  #content(count: number): string {
    return this.options.content?.(count) ?? `${this.options.producerId}:${count}`;
  }

  #frames(from: number, to: number): FrameFields[] {
    const { sessionId, producerId } = this.options;
    return Array.from({ length: to - from + 1 }, (_, index) => ({
      session_id: sessionId,
      producer_id: producerId,
      producer_seq: from + index,
      content: this.#content(from + index),
    }));
  }
}
