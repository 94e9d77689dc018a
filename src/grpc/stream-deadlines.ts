import type { StatusObject } from '@grpc/grpc-js';
import type { Clock } from '../segment/clock.js';
import { agedConnection, type Progress, silentStream } from './status.js';
import type { WriteCall } from './write-call.js';

const SWEEP_INTERVAL_MS = 250;

export interface DeadlineLimits {
  /** 0: none, as below. */
  readonly firstFrameSeconds: number;
  readonly streamIdleSeconds: number;
  readonly connectionAgeSeconds: number;
  readonly connectionAgeGraceSeconds: number;
}

export type EndReason = 'first_frame' | 'idle' | 'connection_age';

interface Watch {
  chunks: number;
  /** Monotonic milliseconds: the last time that something came, or that it was the server which did not read. */
  heardAtMs: number;
  /** Since its connection is to go. */
  closingSinceMs: number | null;
}

/**
 * Ends streams that are silent for too long, and those whose connection is about to be closed for its age. One sweep for all
 * of them, so that a frame costs no timer. Whoever is ended is answered after everything that it brought is durable.
 */
export class StreamDeadlines {
  readonly #limits: DeadlineLimits;
  readonly #clock: Clock;
  readonly #ended: (reason: EndReason) => void;
  readonly #watches = new Map<WriteCall, Watch>();
  readonly #stop: () => void;

  /** @param ended counts the reasons */
  constructor(limits: DeadlineLimits, clock: Clock, ended: (reason: EndReason) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#ended = ended;
    this.#stop = clock.every(SWEEP_INTERVAL_MS, () => this.#sweep());
  }

  watch(call: WriteCall): void {
    this.#watches.set(call, { chunks: 0, heardAtMs: this.#clock.monotonicMs(), closingSinceMs: null });
    void call.ended.then(() => this.#watches.delete(call));
  }

  stop(): void {
    this.#stop();
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [call, watch] of this.#watches) {
      this.#look(call, watch, nowMs);
    }
  }

  #look(call: WriteCall, watch: Watch, nowMs: number): void {
    const { reader } = call;
    const { firstFrameSeconds, streamIdleSeconds, connectionAgeSeconds, connectionAgeGraceSeconds } = this.#limits;
    const isFirst = reader.delivered === 0;
    // Before the first message only a whole one counts: a byte now and then would be enough otherwise.
    if (!call.isReading || (reader.chunks !== watch.chunks && !isFirst)) {
      watch.heardAtMs = nowMs;
    }
    watch.chunks = reader.chunks;
    const seconds = isFirst ? firstFrameSeconds : streamIdleSeconds;
    if (seconds > 0 && nowMs - watch.heardAtMs > seconds * 1000) {
      this.#end(call, isFirst ? 'first_frame' : 'idle', (progress) => silentStream(seconds, isFirst, progress));
      return;
    }
    // A client that closes its channel closes its connection to new calls, too: those it has may go on.
    if (connectionAgeSeconds > 0 && reader.connectionCloses) {
      watch.closingSinceMs ??= nowMs;
      if (nowMs - watch.closingSinceMs >= connectionAgeGraceSeconds * 500) {
        this.#end(call, 'connection_age', agedConnection);
      }
    }
  }

  #end(call: WriteCall, reason: EndReason, answer: (progress: Progress) => StatusObject): void {
    this.#watches.delete(call);
    this.#ended(reason);
    call.giveUp(answer);
  }
}
