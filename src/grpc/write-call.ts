import type { status } from '@grpc/grpc-js';
import type { FrameProblem } from '../frame/frame-problem.js';
import type { Intake } from '../session/intake.js';

/** A call that brings frames, as the server sees it when it goes down. */
export interface WriteCall {
  /** Resolves when the call has been answered or is gone. */
  readonly ended: Promise<void>;
  /** Answers UNAVAILABLE once everything that was taken is durable. */
  shutDown(): void;
}

/** What such a call is given. */
export interface WriteCallParts {
  readonly newIntake: () => Intake;
  /** Whether an answer means fdatasync'ed. */
  readonly durable: boolean;
  refused(problem: FrameProblem): void;
  handled(code: status): void;
  /** Something that is not the client's doing. */
  failed(error: unknown): void;
}
