import { type ServerReadableStream, type StatusObject, type sendUnaryData, status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import { GROUP } from '../frame/run-encoder.js';
import { Flow } from '../session/flow.js';
import type { Intake } from '../session/intake.js';
import type { StoredRange } from '../session/touched-sessions.js';
import type { WriteLogResponse } from './generated/logging/v1/WriteLogResponse.js';
import type { MessageReader } from './message-reader.js';
import { messageReaderOf } from './read-messages.js';
import { sessionRanges } from './session-ranges.js';
import { notStored, type Progress, refusedFrame, TORN_FRAME } from './status.js';
import type { WriteCall, WriteCallParts } from './write-call.js';

const HEADER_BYTES = 5;
const FRAMES_RECEIVED_MAX = 0xffff_ffff;

/**
 * One call of WriteLogStream.
 *
 * *Ordering*: one frame at a time, in the order of the stream. While a session or a used number is looked up or too much is queued the
 * stream is not read, and HTTP/2 flow control reaches the agent.
 * *Answer*: exactly one, after everything taken is durable: the response when the client half-closed, INVALID_ARGUMENT at the first
 * invalid frame, ALREADY_EXISTS at the first conflict, UNAVAILABLE when the server goes down. A client that vanished gets none; what
 * had arrived is stored.
 */
export class WriteLogStream implements WriteCall {
  readonly ended: Promise<void>;
  readonly reader: MessageReader;
  readonly #call: ServerReadableStream<Buffer, WriteLogResponse>;
  readonly #respond: sendUnaryData<WriteLogResponse>;
  readonly #parts: WriteCallParts;
  readonly #intake: Intake;
  /** A frame whose session is looked up, or a pause: `end` may be emitted before it is over. */
  #waiting: Promise<void> | null = null;
  /** Answers the call instead of the response. */
  #refusal: StatusObject | null = null;
  #giveUp: ((progress: Progress) => StatusObject) | null = null;
  #state: 'reading' | 'ending' | 'ended' = 'reading';
  #resolveEnded: () => void = () => undefined;

  constructor(
    call: ServerReadableStream<Buffer, WriteLogResponse>,
    respond: sendUnaryData<WriteLogResponse>,
    parts: WriteCallParts,
  ) {
    this.#call = call;
    this.#respond = respond;
    this.#parts = parts;
    this.#intake = parts.newIntake(new Flow());
    this.reader = messageReaderOf(call);
    this.reader.groups = true;
    this.reader.onRefused = (error) => this.#fail(error);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    call.on('data', (received: Buffer) => {
      if (this.#state === 'reading' && this.reader.received()) {
        this.#waiting = this.#pauseUntil(this.#inflateAndTake(received));
      } else {
        this.#take(withHeader(received));
      }
    });
    // A disconnect looks like an end too; the response then goes nowhere.
    call.on('end', () => void this.#end());
    call.on('error', () => void this.#end());
    call.on('cancelled', () => void this.#end());
    this.#relieve();
  }

  get isReading(): boolean {
    return this.#state === 'reading' && this.#waiting === null;
  }

  giveUp(answer: (progress: Progress) => StatusObject): void {
    this.#giveUp ??= answer;
    void this.#end();
  }

  /** Takes a group of frames, each behind its header. */
  #take(group: Buffer): void {
    if (this.#state !== 'reading') {
      return;
    }
    const result = this.#takeFrames(group, 0);
    if (result === null) {
      this.#relieve();
    } else if (result instanceof Promise) {
      this.#waiting = this.#pauseUntil(result);
    } else {
      this.#invalid(result);
    }
  }

  /** Takes the frames of a group from `position` on, up to the first that is refused. */
  #takeFrames(group: Buffer, position: number): FrameProblem | null | Promise<FrameProblem | null> {
    for (let at = position; at < group.length; ) {
      at = behind(group, at, this.#intake.takeRun(group, at, GROUP));
      if (at >= group.length) {
        break;
      }
      const end = behind(group, at, 1);
      const result = this.#intake.take(group, at + HEADER_BYTES, end);
      if (result instanceof Promise) {
        return this.#takeRest(group, end, result);
      }
      if (result !== null) {
        return result;
      }
      at = end;
    }
    return null;
  }

  async #takeRest(group: Buffer, position: number, first: Promise<FrameProblem | null>): Promise<FrameProblem | null> {
    return (await first) ?? this.#takeFrames(group, position);
  }

  async #inflateAndTake(message: Buffer): Promise<FrameProblem | null> {
    const { outcome, release } = await this.reader.inflate(message);
    try {
      return Buffer.isBuffer(outcome) ? await this.#intake.take(outcome, 0, outcome.length) : outcome;
    } finally {
      release();
    }
  }

  /** Stops reading while too much is held. */
  #relieve(): void {
    const pressure = this.#state === 'reading' ? this.#intake.pressure() : null;
    if (pressure !== null) {
      this.#waiting = this.#pauseUntil(pressure);
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
      this.#fail(error);
    }
    this.#waiting = null;
    this.#relieve();
    // Else the next pause has begun, and what the stream brought meanwhile would be taken beside it.
    if (this.#waiting === null) {
      this.#call.resume();
    }
  }

  #fail(error: unknown): void {
    this.#parts.failed(error);
    this.#refusal ??= notStored(error, this.#intake);
    void this.#end();
  }

  #invalid(problem: FrameProblem): void {
    this.#parts.refused(problem);
    this.#refusal ??= refusedFrame(this.#intake.received, problem, this.#intake);
    void this.#end();
  }

  async #end(): Promise<void> {
    if (this.#state !== 'reading') {
      return;
    }
    this.#state = 'ending';
    const torn = this.reader.isTorn;
    this.reader.close();
    await this.#waiting;
    try {
      const ranges = await this.#intake.settle();
      this.#refusal ??= this.#giveUp?.(this.#intake) ?? null;
      if (this.#refusal === null && torn && !this.#call.cancelled) {
        this.#invalid(TORN_FRAME);
      }
      if (this.#refusal === null) {
        this.#acknowledge(ranges);
      } else {
        this.#refuse(this.#refusal);
      }
    } catch (error) {
      this.#refuse(notStored(error, this.#intake));
    }
  }

  #acknowledge(ranges: StoredRange[]): void {
    const { received, written, duplicates } = this.#intake;
    const response: WriteLogResponse = {
      frames_received: Math.min(received, FRAMES_RECEIVED_MAX),
      status: 'ACKNOWLEDGED',
      frames_written: written,
      duplicates,
      sessions: sessionRanges(ranges),
      durable: this.#parts.durable,
    };
    this.#respond(null, response);
    this.#finish(this.#call.cancelled ? status.CANCELLED : status.OK);
  }

  #refuse(refusal: StatusObject): void {
    this.#respond(refusal);
    this.#finish(refusal.code);
  }

  #finish(code: status): void {
    this.#state = 'ended';
    this.#parts.handled(code);
    this.#resolveEnded();
  }
}

/** The first header of a group stands where grpc-js has cut it off: the reader gives out whole groups. */
function withHeader(received: Buffer): Buffer {
  return Buffer.from(received.buffer, received.byteOffset - HEADER_BYTES, received.length + HEADER_BYTES);
}

/** Where the frame stands that comes `count` frames behind the one whose header stands at `at`. A frame that was cut ends with its group. */
function behind(group: Buffer, at: number, count: number): number {
  let position = at;
  for (let left = count; left > 0; left--) {
    position += HEADER_BYTES + group.readUInt32BE(position + 1);
  }
  return Math.min(position, group.length);
}
