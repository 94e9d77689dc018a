import { Metadata, type ServerReadableStream, type StatusObject, type sendUnaryData, status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import type { Intake, StoredRange } from '../session/intake.js';
import type { WriteLogResponse } from './generated/logging/v1/WriteLogResponse.js';
import { invalidFrame, notStored, shuttingDown } from './status.js';

const FRAMES_RECEIVED_MAX = 0xffff_ffff;

export interface WriteLogStreamParts {
  readonly newIntake: () => Intake;
  /** Whether a response means fdatasync'ed. */
  readonly durable: boolean;
  refused(problem: FrameProblem): void;
  handled(code: status): void;
  /** Something that is not the client's doing. */
  failed(error: unknown): void;
}

/**
 * One call of WriteLogStream.
 *
 * *Ordering*: one frame at a time, in the order of the stream. While a session is looked up or too much is queued the stream is
 * not read, and HTTP/2 flow control reaches the agent.
 * *Answer*: exactly one, after everything taken is durable: the response when the client half-closed, INVALID_ARGUMENT at the first
 * invalid frame, UNAVAILABLE when the server goes down. A client that vanished gets none; what had arrived is stored.
 */
export class WriteLogStream {
  readonly #call: ServerReadableStream<Buffer, WriteLogResponse>;
  readonly #respond: sendUnaryData<WriteLogResponse>;
  readonly #parts: WriteLogStreamParts;
  readonly #intake: Intake;
  #state: 'reading' | 'ending' | 'ended' = 'reading';
  readonly #ended: Promise<void>;
  #resolveEnded: () => void = () => undefined;

  constructor(
    call: ServerReadableStream<Buffer, WriteLogResponse>,
    respond: sendUnaryData<WriteLogResponse>,
    parts: WriteLogStreamParts,
  ) {
    this.#call = call;
    this.#respond = respond;
    this.#parts = parts;
    this.#intake = parts.newIntake();
    this.#ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    call.on('data', (frame: Buffer) => this.#take(frame));
    // A disconnect looks like an end too; the response then goes nowhere.
    call.on('end', () => void this.#end((ranges) => this.#acknowledge(ranges)));
    call.on('error', () => void this.#end(() => this.#refuse({ code: status.CANCELLED, details: 'stream error' })));
    call.on('cancelled', () => void this.#end(() => this.#finish(status.CANCELLED)));
  }

  /** Resolves when the call has been answered. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Answers UNAVAILABLE once everything that was taken is durable. */
  shutDown(): void {
    void this.#end(() => this.#refuse(shuttingDown(this.#intake)));
  }

  #take(frame: Buffer): void {
    if (this.#state !== 'reading') {
      return;
    }
    const result = this.#intake.take(frame, 0, frame.length);
    if (result === null) {
      const pressure = this.#intake.pressure();
      if (pressure !== null) {
        void this.#pauseUntil(pressure);
      }
    } else if (result instanceof Promise) {
      void this.#pauseUntil(result);
    } else {
      this.#invalid(result);
    }
  }

  async #pauseUntil(ready: Promise<FrameProblem | null | void>): Promise<void> {
    this.#call.pause();
    try {
      const problem = await ready;
      if (problem) {
        this.#invalid(problem);
      }
    } catch (error) {
      this.#parts.failed(error);
      void this.#end(() => this.#refuse(notStored(error, this.#intake)));
    }
    this.#call.resume();
  }

  #invalid(problem: FrameProblem): void {
    this.#parts.refused(problem);
    const index = this.#intake.received;
    void this.#end(() => this.#refuse(invalidFrame(index, problem, this.#intake)));
  }

  async #end(answer: (ranges: StoredRange[]) => void): Promise<void> {
    if (this.#state !== 'reading') {
      return;
    }
    this.#state = 'ending';
    try {
      answer(await this.#intake.settle());
    } catch (error) {
      this.#refuse(notStored(error, this.#intake));
    }
  }

  #acknowledge(ranges: StoredRange[]): void {
    const { received, written, duplicates } = this.#intake;
    const sessions = ranges.map((range) => ({
      session_id: range.sessionId,
      first_seq: range.firstSeq,
      last_seq: range.lastSeq,
    }));
    const response: WriteLogResponse = {
      frames_received: Math.min(received, FRAMES_RECEIVED_MAX),
      status: 'ACKNOWLEDGED',
      frames_written: written,
      duplicates,
      sessions,
      durable: this.#parts.durable,
    };
    this.#respond(null, response);
    this.#finish(this.#call.cancelled ? status.CANCELLED : status.OK);
  }

  #refuse({ code, details, metadata }: Partial<StatusObject> & { code: status; details: string }): void {
    this.#respond({ code, details, metadata: metadata ?? new Metadata() });
    this.#finish(code);
  }

  #finish(code: status): void {
    this.#state = 'ended';
    this.#parts.handled(code);
    this.#resolveEnded();
  }
}
