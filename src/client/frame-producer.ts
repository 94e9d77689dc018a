/**
 * Frames of one producer, each stored once, over a connection that may break.
 *
 * Ordering: frames are stored in the order of `write`. One stream is open at a time: a later stream could overtake an
 * earlier one on the wire, and its frames would raise the producer's mark above frames still to come.
 *
 * Exactly once: frames carry `producer_id` and an increasing `producer_seq`. Only an acknowledgement lets go of them. When
 * the stream fails, everything unacknowledged is sent again, and the server drops what it already has.
 *
 * Batching: while a batch is under way the next one gathers, so the load makes the batches; with nothing under way a frame
 * waits a moment for others.
 *
 * Bounded: at most `pendingBytesMax` are held unacknowledged, then `write` waits. When nothing at all has moved for
 * `giveUpMs`, `write` stops waiting and counts the frame as lost, so that whoever produces frames is not held up for ever
 * by a server that is gone. What was lost is a gap in `producer_seq`, and a number in the report.
 */
import { randomUUID } from 'node:crypto';
import type { WriteLogAck__Output as WriteLogAck } from '../grpc/generated/logging/v1/WriteLogAck.js';
import type { OutgoingFrame } from './frame.js';
import type { LogBatchStream } from './log-batch-stream.js';
import type { LogConnection } from './log-connection.js';
import { PendingBatches, type ProducerMark } from './pending-batches.js';
import { DEFAULT_LIMITS, type ProducerLimits, type ProducerProgress, type ProducerReport } from './producer-report.js';
import { ProducerTally } from './producer-tally.js';
import { Wakeup } from './wakeup.js';
import { WriteError } from './write-error.js';

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;
/** With nothing under way. */
const LINGER_MS = 5;
/** With something under way: a slow disk must not keep lines from viewers. */
const GATHER_MS = 100;
/** After everything is acknowledged the server has nothing more to do than to say so. */
const END_PATIENCE_MS = 1_000;

type State =
  | { readonly kind: 'streaming' }
  | { readonly kind: 'reconnecting'; readonly error: WriteError }
  | { readonly kind: 'stopped'; readonly error: WriteError };

export class FrameProducer {
  readonly producerId = randomUUID();
  readonly #connection: LogConnection;
  readonly #limits: ProducerLimits;
  readonly #pending: PendingBatches;
  readonly #tally = new ProducerTally();
  readonly #change = new Wakeup();
  #stream: LogBatchStream | null = null;
  #state: State = { kind: 'streaming' };
  /** Of the first frame that can never be stored: none is taken any more, and only what came before it is sent. */
  #refusal: WriteError | null = null;
  #finishing = false;
  #isDone = false;
  #linger: NodeJS.Timeout | undefined;
  /** The highest batch ever sent, and when that number or what is acknowledged last grew: sending again is no progress. */
  #furthestId = 0;
  #progressMs = performance.now();

  constructor(connection: LogConnection, limits: Partial<ProducerLimits> = {}) {
    this.#connection = connection;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#pending = new PendingBatches(this.#limits);
    void this.#run().finally(() => {
      clearTimeout(this.#linger);
      this.#isDone = true;
      this.#change.wake();
    });
  }

  get progress(): ProducerProgress {
    const state = this.#state;
    return {
      ...this.#tally.progress,
      state: state.kind === 'streaming' && this.#refusal !== null ? 'stopped' : state.kind,
      isRefusing: state.kind === 'reconnecting' && state.error.code === 'OVERLOADED',
      giveUpInMs: Math.max(0, this.#giveUpInMs()),
    };
  }

  /**
   * Takes a frame, waiting while the bound is reached. Frames without `seq` and `producerId` get this producer's mark.
   * @param place what the report names it by should it be refused; its position, from 0, unless told
   * @param lines how many lines begin in it: 0 for a further piece of a long one
   * @returns false when frames are given up: the frame is counted as unconfirmed and not kept
   */
  async write(frame: OutgoingFrame, place = this.#tally.taken, lines = 1): Promise<boolean> {
    const producerSeq = this.#tally.take(lines);
    while (this.#pending.bytes >= this.#limits.pendingBytesMax && !this.#isOver && this.#giveUpInMs() > 0) {
      await this.#change.sleep(this.#giveUpInMs());
    }
    if (this.#isOver || this.#pending.bytes >= this.#limits.pendingBytesMax) {
      this.#tally.lost++;
      return false;
    }
    if (this.#pending.isEmpty) {
      this.#progressMs = performance.now();
    }
    try {
      this.#pending.add(frame, this.#markOf(frame, producerSeq), place, lines);
    } catch (error) {
      this.#tally.refuse(place, lines);
      this.#refusal = new WriteError('FRAME_REFUSED', `a frame cannot be sent: ${String(error)}`, { cause: error });
    }
    this.#gathered();
    return this.#refusal === null;
  }

  /** Sends what is left, trying again until nothing has moved for `giveUpMs`. Nothing may be written afterwards. */
  async finish(): Promise<ProducerReport> {
    this.#finishing = true;
    this.#progressMs = performance.now();
    this.#sendGathered();
    this.#change.wake();
    while (!this.#isDone && this.#state.kind !== 'stopped') {
      await this.#change.sleep();
    }
    return this.report();
  }

  /** How things stand now; what is still under way counts as unconfirmed. */
  report(): ProducerReport {
    const error = this.#refusal ?? (this.#state.kind === 'streaming' ? null : this.#state.error);
    return this.#tally.report(error ?? (this.#tally.lost > 0 ? WriteError.awayTooLong(this.#connection.server) : null));
  }

  /** Ends at once; what was not acknowledged stays unconfirmed. */
  abandon(): void {
    const isAway = this.#state.kind === 'reconnecting';
    this.#stop(new WriteError('CANCELLED', isAway ? 'interrupted while the server was away' : 'interrupted'));
    this.#stream?.cancel();
  }

  /** Frames that are numbered by whoever made them keep what they have. */
  #markOf({ producerId, producerSeq = 0, seq = 0 }: OutgoingFrame, ownSeq: number): ProducerMark {
    return producerId === undefined && seq === 0
      ? { producerId: this.producerId, producerSeq: ownSeq }
      : { producerId: producerId ?? '', producerSeq };
  }

  /** No frame is taken any more. */
  get #isOver(): boolean {
    return this.#state.kind === 'stopped' || this.#refusal !== null;
  }

  /** No more frames will come. */
  get #isLast(): boolean {
    return this.#finishing || this.#isOver;
  }

  async #run(): Promise<void> {
    let backoffMs = BACKOFF_FIRST_MS;
    for (;;) {
      while (this.#pending.isEmpty && !this.#isLast) {
        await this.#change.sleep();
      }
      if (this.#state.kind === 'stopped' || this.#pending.isEmpty) {
        return;
      }
      const { acknowledged } = this.#tally;
      try {
        await this.#streamBatches();
      } catch (error) {
        backoffMs = this.#tally.acknowledged > acknowledged ? BACKOFF_FIRST_MS : backoffMs;
        // That a stream ends with which nothing was under way is nobody's trouble: the next frame opens another one.
        if (!this.#pending.isEmpty || !(error as WriteError).canRetry) {
          this.#failed(error as WriteError);
          await this.#backOff(backoffMs * (0.5 + Math.random() / 2), (error as WriteError).retryAfterMs);
          backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
        }
      }
    }
  }

  /** One stream, from the oldest unacknowledged frame on, until it ends. @throws WriteError */
  async #streamBatches(): Promise<void> {
    await this.#connection.ready(Math.min(BACKOFF_MAX_MS, this.#limits.giveUpMs));
    if (this.#state.kind === 'stopped') {
      return;
    }
    this.#pending.rewind();
    const stream = this.#connection.openStream(this.#limits.giveUpMs, {
      acknowledged: (ack) => this.#acknowledged(ack),
      room: () => this.#flush(),
    });
    this.#stream = stream;
    this.#sendGathered();
    try {
      await stream.ended;
    } finally {
      this.#stream = null;
    }
    if (this.#pending.inFlight > 0) {
      const sentence = `logweir at ${this.#connection.server} ended the stream before its last acknowledgement`;
      throw new WriteError('CONNECTION_LOST', sentence);
    }
  }

  /** A frame came. */
  #gathered(): void {
    if (this.#stream === null) {
      this.#change.wake();
    } else if (this.#pending.hasUnsent) {
      this.#flush();
    } else if (this.#linger === undefined) {
      this.#linger = setTimeout(() => this.#sendGathered(), this.#pending.inFlight === 0 ? LINGER_MS : GATHER_MS);
    }
  }

  #sendGathered(): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#pending.close();
    this.#flush();
  }

  /** Hands to the stream what it has room for. */
  #flush(): void {
    const stream = this.#stream;
    if (stream === null) {
      return;
    }
    while (stream.hasRoom) {
      const batch = this.#pending.next();
      if (batch === null) {
        break;
      }
      if (batch.id > this.#furthestId) {
        this.#furthestId = batch.id;
        this.#progressMs = performance.now();
      }
      stream.write(batch.id, batch.message);
    }
    if (this.#isLast && this.#pending.isEmpty) {
      stream.end(END_PATIENCE_MS);
    }
  }

  #acknowledged(ack: WriteLogAck): void {
    for (const { batch_id: batchId, index, field, reason } of ack.rejected) {
      // Of very many, some are named ahead of the acknowledgement that lets go of them.
      if (this.#pending.reject(batchId, index)) {
        this.#refusal ??= WriteError.refused(field, reason);
      }
    }
    this.#tally.acknowledge(ack, this.#pending.acknowledge(ack.batch_id));
    this.#progressMs = performance.now();
    if (this.#state.kind === 'reconnecting') {
      this.#state = { kind: 'streaming' };
    }
    if (ack.rejected.length > 0) {
      this.#pending.dropAfter(this.#furthestId);
    }
    if (this.#pending.inFlight === 0) {
      this.#sendGathered();
    } else {
      this.#flush();
    }
    this.#change.wake();
  }

  #failed(error: WriteError): void {
    if (this.#state.kind === 'stopped') {
      return;
    }
    if (error.canRetry) {
      this.#state = { kind: 'reconnecting', error };
      if (this.#isLast && this.#giveUpInMs() <= 0) {
        this.#stop(error);
      }
      return;
    }
    // What came before is acknowledged: the server refuses the oldest batch, and one of a single frame names it.
    const { oldest } = this.#pending;
    if (error.code === 'FRAME_REFUSED' && oldest?.places.length === 1) {
      this.#tally.refuse(oldest.places[0] ?? 0, oldest.lines[0] ?? 0);
    }
    this.#stop(error);
  }

  #stop(error: WriteError): void {
    if (this.#state.kind !== 'stopped') {
      this.#state = { kind: 'stopped', error };
    }
    this.#change.wake();
  }

  #giveUpInMs(): number {
    return this.#state.kind === 'stopped' ? 0 : this.#progressMs + this.#limits.giveUpMs - performance.now();
  }

  /** Frames that come in meanwhile must not make it shorter. */
  async #backOff(ms: number, askedMs: number | null): Promise<void> {
    const untilMs = performance.now() + Math.max(ms, Math.min(askedMs ?? 0, this.#limits.giveUpMs));
    while (this.#state.kind !== 'stopped' && performance.now() < untilMs) {
      await this.#change.sleep(untilMs - performance.now());
    }
  }
}
