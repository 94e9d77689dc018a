import type { StatusObject, status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import type { Flow } from '../session/flow.js';
import type { Intake } from '../session/intake.js';
import type { MessageReader } from './message-reader.js';
import type { Progress } from './status.js';

/** A call that brings frames, as the server sees it when it goes down. */
export interface WriteCall {
  /** Resolves when the call has been answered or is gone. */
  readonly ended: Promise<void>;
  readonly reader: MessageReader;
  /** Else it is the server that holds the stream up. */
  readonly isReading: boolean;
  /** Ends with this answer once everything that was taken is durable. */
  giveUp(answer: (progress: Progress) => StatusObject): void;
}

/** What such a call is given. */
export interface WriteCallParts {
  /** Several intakes of one call are one flow. */
  readonly newIntake: (flow: Flow) => Intake;
  /** Whether an answer means fdatasync'ed. */
  readonly durable: boolean;
  refused(problem: FrameProblem): void;
  handled(code: status): void;
  /** Something that is not the client's doing. */
  failed(error: unknown): void;
}
