/** Whether a peer holds every planned frame of a session once, in the order of each stream. */
import {
  type FramePlan,
  firstIndexOf,
  framesOfStream,
  nextIndexOf,
  type PlannedFrame,
  plannedFrame,
  sessionOf,
} from './frame-plan.js';

/** One stored message: whose it is and what it says, and whether the rest of it is the frame's. */
export interface PeerRecord {
  readonly content: string;
  readonly isOf: (frame: PlannedFrame) => boolean;
}

export class PeerCheck {
  readonly #plan: FramePlan;
  /** By stream and session: the index that has to come next. */
  readonly #next = new Map<number, number>();
  #taken = 0;

  constructor(plan: FramePlan) {
    this.#plan = plan;
  }

  take({ content, isOf }: PeerRecord): void {
    const [, streamText, indexText] = /^(\d+)\.(\d+)/.exec(content) ?? [];
    const stream = Number(streamText);
    const index = Number(indexText);
    const session = sessionOf(this.#plan, stream, index);
    const key = stream * this.#plan.sessions + session;
    const next = this.#next.get(key) ?? firstIndexOf(this.#plan, stream, session);
    if (next !== index || index >= framesOfStream(this.#plan, stream)) {
      throw new Error(`session ${session}: frame ${stream}.${index} where ${stream}.${next} was next`);
    }
    const frame = plannedFrame(this.#plan, stream, index);
    if (!isOf(frame)) {
      throw new Error(`${frame.sessionId}: not what was sent as frame ${stream}.${index}: ${content}`);
    }
    this.#next.set(key, nextIndexOf(this.#plan, index));
    this.#taken++;
  }

  /** @throws when frames are missing: none can be there twice without one out of order */
  finish(): void {
    if (this.#taken !== this.#plan.frames) {
      throw new Error(`${this.#taken} of ${this.#plan.frames} frames are stored`);
    }
  }
}
