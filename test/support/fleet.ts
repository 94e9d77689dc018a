import { randomInt } from 'node:crypto';
import { encodeFrame } from './frames.js';
import { LogClient } from './log-client.js';

export interface FleetOptions {
  readonly sessions: number;
  readonly framesPerSession: number;
  readonly streams: number;
  /** Frames of one call; each call is acknowledged by itself. */
  readonly callFrames: number;
}

/**
 * Agents that write many sessions over many streams at once, and send again what was not acknowledged.
 *
 * Stream s sends, session after session in turn, the frames `s:1`, `s:2`, … of each session, with producer_id `p<s>` and producer_seq
 * counting in the session; so the stored history can be checked against what must be there, without a list of it.
 */
export class Fleet {
  readonly options: FleetOptions;
  /** Frames of acknowledged calls, by stream. */
  readonly acknowledged: number[];
  retries = 0;

  constructor(options: FleetOptions) {
    this.options = options;
    this.acknowledged = Array.from({ length: options.streams }, () => 0);
  }

  get framesPerStream(): number {
    return (this.options.sessions * this.options.framesPerSession) / this.options.streams;
  }

  /** Sends everything; `address` is asked for before each call, since servers come and go. */
  async run(address: () => Promise<string>): Promise<void> {
    await Promise.all(Array.from({ length: this.options.streams }, (_, stream) => this.#runStream(stream, address)));
  }

  async #runStream(stream: number, address: () => Promise<string>): Promise<void> {
    const total = this.framesPerStream;
    for (let from = 0; from < total; ) {
      const to = Math.min(total, from + this.options.callFrames);
      if (await this.#call(stream, from, to, await address())) {
        from = to;
        this.acknowledged[stream] = to;
      } else {
        this.retries++;
        await new Promise((resolve) => setTimeout(resolve, randomInt(10, 50)));
      }
    }
  }

  async #call(stream: number, from: number, to: number, address: string): Promise<boolean> {
    using client = new LogClient(address);
    const call = client.open();
    let failed = false;
    void call.answer.then(({ ok }) => {
      failed = !ok;
    });
    for (let index = from; index < to && !failed; index++) {
      await call.send(this.#frame(stream, index));
    }
    const answer = await call.finish();
    if (answer.ok && answer.response.frames_received !== to - from) {
      throw new Error(`acknowledged ${answer.response.frames_received} of ${to - from} frames`);
    }
    return answer.ok;
  }

  /** The frame number `index` of a stream: sessions in turn. */
  #frame(stream: number, index: number): Buffer {
    const session = index % this.options.sessions;
    const count = Math.floor(index / this.options.sessions) + 1;
    return encodeFrame({
      session_id: `session-${session}`,
      role: 'assistant',
      content: `${stream}:${count}`,
      producer_id: `p${stream}`,
      producer_seq: count,
    });
  }

  /** Holds a session's stored lines against what was sent. Throws at the first that is missing, twice, or out of order. */
  check(session: number, lines: readonly { seq: number; content?: string }[]): void {
    const { streams, sessions } = this.options;
    const next = Array.from({ length: streams }, () => 1);
    let seq = 0;
    for (const line of lines) {
      if (line.seq <= seq) {
        throw new Error(`session-${session}: seq ${line.seq} after ${seq}`);
      }
      seq = line.seq;
      const [stream = -1, count = -1] = (line.content ?? '').split(':').map(Number);
      if (next[stream] !== count) {
        throw new Error(`session-${session}: stream ${stream} has ${count} where ${next[stream]} is due`);
      }
      next[stream] = count + 1;
    }
    for (const [stream, acknowledged] of this.acknowledged.entries()) {
      const due = Math.floor((acknowledged - session - 1) / sessions) + 1;
      if ((next[stream] ?? 0) - 1 < due) {
        throw new Error(
          `session-${session}: stream ${stream} has ${(next[stream] ?? 0) - 1} of ${due} acknowledged frames`,
        );
      }
    }
  }
}
