import type { FrameProblem } from '../frame/frame-problem.js';
import { systemCode } from '../segment/system-code.js';

/**
 * A frame under a number that its session has used for something else: two agents number one session, or one of them has started
 * its counter again. Never stored, never taken for a duplicate.
 */
export class Conflict implements FrameProblem {
  readonly field = 'seq';
  readonly reason: string;
  readonly sessionId: string;
  readonly seq: number;
  /** Of the session, when the frame was refused. */
  readonly lastSeq: number;

  /** @param isTaken another frame is stored under the number; else none is, and the session's order has passed it */
  constructor(sessionId: string, seq: number, lastSeq: number, isTaken: boolean) {
    this.sessionId = sessionId;
    this.seq = seq;
    this.lastSeq = lastSeq;
    const why = isTaken
      ? 'is used: another frame is stored under it'
      : 'was passed over: no frame is stored under it, and none can be any more';
    this.reason = `${seq} ${why}; the session's last seq is ${lastSeq}`;
  }
}

/** What is stored under a number could not be read, so that nobody can tell a repeated frame from another one. */
export class LookupFailed extends Error {
  /** Whether the disk failed, which may be over the next time; else what is stored is damaged. */
  readonly byDisk: boolean;

  constructor(cause: unknown) {
    super('what the session stored under the number of a repeated frame can not be read', { cause });
    this.name = 'LookupFailed';
    // Also of what it calls damaged since something else stands where a file should: that can be put right under the agent.
    this.byDisk = [cause, (cause as Error | null)?.cause].some((error) => systemCode(error) !== null);
  }
}
