import { type ServerDuplexStream, type StatusObject, status } from '@grpc/grpc-js';
import { BatchView } from '../frame/batch-view.js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { BATCH } from '../frame/run-encoder.js';
import { Flow } from '../session/flow.js';
import type { Intake } from '../session/intake.js';
import type { StoredRange } from '../session/touched-sessions.js';
import type { FrameError } from './generated/logging/v1/FrameError.js';
import type { WriteLogAck } from './generated/logging/v1/WriteLogAck.js';
import type { MessageReader } from './message-reader.js';
import { messageReaderOf } from './read-messages.js';
import { sessionRanges } from './session-ranges.js';
import { invalidBatch, notStored, type Progress, TORN_FRAME } from './status.js';
import type { WriteCall, WriteCallParts } from './write-call.js';

/**
 * Clients refuse messages over 4 MiB by default. A rejected frame takes up to 170 bytes: these and the ranges beside them fit, where
 * an agent that counts from the start again has every frame of large batches rejected.
 */
const REJECTED_PER_ACK_MAX = 4000;

/** Batches that are acknowledged together. */
interface Group {
  readonly intake: Intake;
  /** Of its last batch. */
  batchId: number;
  readonly rejected: FrameError[];
}

/**
 * One call of WriteLogBatches.
 *
 * *Ordering*: one frame at a time, in the order of the stream; acknowledgements come in the order of the batches.
 * *Acknowledgement*: cumulative, after everything before it is durable. While a group of batches becomes durable the next
 * one gathers: with a slow disk there are fewer acknowledgements, not more waiting. A frame that can never be stored is
 * named in the acknowledgement of its batch; the stream goes on.
 * *Flow*: the stream is not read while a session is looked up, while too much is queued, or while the client does not take
 * its acknowledgements; nothing queues without bound on either side.
 */
export class WriteLogBatches implements WriteCall {
  readonly ended: Promise<void>;
  readonly reader: MessageReader;
  readonly #call: ServerDuplexStream<Buffer, WriteLogAck>;
  readonly #parts: WriteCallParts;
  readonly #maxBatchBytes: number;
  readonly #flow = new Flow();
  readonly #batch = new BatchView();
  #state: 'reading' | 'ending' | 'ended' = 'reading';
  #taken: Promise<void> | null = null;
  /** Ends the call once what was taken is acknowledged. */
  #refusal: StatusObject | null = null;
  #giveUp: ((progress: Progress) => StatusObject) | null = null;
  /** Reasons not to read at the moment. */
  #pauses = 0;
  #lastBatchId = -1;
  #ackedBatchId = -1;
  #received = 0;
  #written = 0;
  #group: Group | null = null;
  /** The group's last batch is not taken to its end: it must not be acknowledged yet. */
  #taking = false;
  #acknowledging: Promise<void> | null = null;
  #resolveEnded: () => void = () => undefined;

  constructor(call: ServerDuplexStream<Buffer, WriteLogAck>, parts: WriteCallParts, maxBatchBytes: number) {
    this.#call = call;
    this.#parts = parts;
    this.#maxBatchBytes = maxBatchBytes;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.reader = messageReaderOf(call);
    this.reader.onRefused = (error) => this.#fail(error);
    call.on('data', (message: Buffer) => {
      if (this.#state === 'reading') {
        const compressed = this.reader.received();
        this.#taken = compressed ? this.#pauseUntil(this.#inflateAndTake(message)) : this.#take(message, null);
      }
    });
    // A disconnect looks like an end too; what is acknowledged then goes nowhere.
    call.on('end', () => void this.#end());
    call.on('error', () => this.#finish(status.CANCELLED));
    call.on('cancelled', () => this.#finish(status.CANCELLED));
    this.#taken = this.#relieve(parts.newIntake(this.#flow));
  }

  get isReading(): boolean {
    return this.#state === 'reading' && this.#pauses === 0;
  }

  giveUp(answer: (progress: Progress) => StatusObject): void {
    this.#giveUp ??= answer;
    void this.#end();
  }

  async #inflateAndTake(message: Buffer): Promise<void> {
    const { outcome, release } = await this.reader.inflate(message);
    try {
      await (Buffer.isBuffer(outcome) ? this.#take(outcome, null) : this.#take(message, outcome));
    } finally {
      release();
    }
  }

  /** Does not throw: the call ends instead. */
  async #take(message: Buffer, unreadable: FrameProblem | null): Promise<void> {
    const problem = unreadable ?? this.#parse(message);
    if (problem !== null) {
      this.#invalid(problem);
      void this.#end();
      return;
    }
    this.#group ??= { intake: this.#parts.newIntake(this.#flow), batchId: 0, rejected: [] };
    const group = this.#group;
    group.batchId = this.#batch.batchId;
    this.#lastBatchId = this.#batch.batchId;
    this.#taking = true;
    const taken = this.#takeFrames(message, group, 0);
    if (taken !== null) {
      await this.#pauseUntil(taken);
    }
    if (this.#refusal !== null) {
      // The batch was not taken to its end, and never will be: its group stays without an acknowledgement.
      return;
    }
    this.#taking = false;
    void this.#acknowledge();
    await this.#relieve(group.intake);
  }

  /** Stops reading while too much is held. */
  async #relieve(intake: Intake): Promise<void> {
    const pressure = intake.pressure();
    if (pressure !== null) {
      await this.#pauseUntil(pressure);
    }
  }

  #parse(message: Buffer): FrameProblem | null {
    if (message.length > this.#maxBatchBytes) {
      return { field: 'batch', reason: `is larger than ${this.#maxBatchBytes} bytes` };
    }
    const problem = this.#batch.parse(message);
    if (problem === null && this.#batch.batchId <= this.#lastBatchId) {
      return { field: 'batch_id', reason: `is not above ${this.#lastBatchId}, the one before it` };
    }
    return problem;
  }

  /** Takes the batch's frames from `index` on; a promise when a session had to be looked up on the way. */
  #takeFrames(message: Buffer, group: Group, index: number): Promise<void> | null {
    const { tags, starts, ends } = this.#batch;
    for (let at = index; at < starts.length; at++) {
      if (group.rejected.length === REJECTED_PER_ACK_MAX) {
        return this.#takeBehindRejected(message, group, at);
      }
      at += group.intake.takeRun(message, tags[at] ?? 0, BATCH);
      const result = at === starts.length ? null : group.intake.take(message, starts[at] ?? 0, ends[at] ?? 0);
      if (result instanceof Promise) {
        return this.#takeRest(message, group, at, result);
      }
      if (result !== null) {
        this.#reject(group, at, result);
      }
    }
    return null;
  }

  async #takeRest(message: Buffer, group: Group, at: number, first: Promise<FrameProblem | null>): Promise<void> {
    const problem = await first;
    if (problem !== null) {
      this.#reject(group, at, problem);
    }
    await this.#takeFrames(message, group, at + 1);
  }

  /** So many rejected frames go ahead of their acknowledgement, with what was acknowledged before: they must not pile up. */
  async #takeBehindRejected(message: Buffer, group: Group, at: number): Promise<void> {
    const { durable } = this.#parts;
    const rejected = group.rejected.splice(0);
    await this.#write({ batch_id: this.#ackedBatchId, durable, sessions: [], rejected, duplicates: 0 });
    await this.#takeFrames(message, group, at);
  }

  #reject(group: Group, index: number, problem: FrameProblem): void {
    this.#parts.refused(problem);
    group.rejected.push({ batch_id: this.#batch.batchId, index, field: problem.field, reason: problem.reason });
  }

  async #pauseUntil(ready: Promise<void>): Promise<void> {
    this.#pauses++;
    this.#call.pause();
    try {
      await ready;
    } catch (error) {
      this.#fail(error);
    }
    this.#pauses--;
    if (this.#pauses === 0) {
      this.#call.resume();
    }
  }

  #fail(error: unknown): void {
    this.#parts.failed(error);
    this.#refusal ??= notStored(error, this.#progress);
    void this.#end();
  }

  #invalid(problem: FrameProblem): void {
    this.#parts.refused(problem);
    this.#refusal ??= invalidBatch(this.#lastBatchId, problem);
  }

  /** Starts acknowledging unless that is under way: it goes on with what gathered meanwhile. Does not reject. */
  #acknowledge(): Promise<void> {
    if (this.#acknowledging === null && this.#group !== null && !this.#taking) {
      this.#acknowledging = this.#acknowledgeGroups();
    }
    return this.#acknowledging ?? Promise.resolve();
  }

  async #acknowledgeGroups(): Promise<void> {
    for (let group = this.#group; group !== null && !this.#taking && this.#state !== 'ended'; group = this.#group) {
      this.#group = null;
      this.#received += group.intake.received;
      try {
        const ranges = await group.intake.settle();
        this.#written += group.intake.written;
        await this.#writeGroup(group, ranges);
      } catch (error) {
        this.#close(notStored(error, this.#progress));
      }
    }
    // With nothing in between: whoever finds it null starts anew.
    this.#acknowledging = null;
  }

  async #writeGroup({ batchId, rejected, intake }: Group, ranges: StoredRange[]): Promise<void> {
    const { durable } = this.#parts;
    this.#ackedBatchId = batchId;
    const { duplicates } = intake;
    await this.#write({ batch_id: batchId, durable, sessions: sessionRanges(ranges), rejected, duplicates });
  }

  async #write(ack: WriteLogAck): Promise<void> {
    if (this.#state === 'ended') {
      return;
    }
    if (!this.#call.write(ack)) {
      const drained = new Promise<void>((resolve) => this.#call.once('drain', () => resolve()));
      await this.#pauseUntil(Promise.race([drained, this.ended]));
    }
  }

  /** Acknowledges what was taken, then ends the call: with OK, or with the reason why it can't go on. */
  async #end(): Promise<void> {
    if (this.#state !== 'reading') {
      return;
    }
    this.#state = 'ending';
    const torn = this.reader.isTorn;
    this.reader.close();
    if (this.#refusal === null) {
      // `end` may be emitted while the last batch waits for a session.
      await this.#taken;
    }
    await this.#acknowledge();
    if (this.#refusal === null && this.#giveUp === null && torn && !this.#call.cancelled) {
      this.#invalid(TORN_FRAME);
    }
    this.#close(this.#refusal ?? this.#giveUp?.(this.#progress) ?? null);
  }

  get #progress(): Progress {
    return { received: this.#received, written: this.#written };
  }

  #close(failure: StatusObject | null): void {
    if (this.#state === 'ended') {
      return;
    }
    const code = failure?.code ?? (this.#call.cancelled ? status.CANCELLED : status.OK);
    this.#finish(code);
    if (failure === null) {
      this.#call.end();
    } else {
      this.#call.emit('error', failure);
    }
  }

  #finish(code: status): void {
    if (this.#state !== 'ended') {
      this.#state = 'ended';
      this.reader.close();
      this.#parts.handled(code);
      this.#resolveEnded();
    }
  }
}
