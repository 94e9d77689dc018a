import { Conflict } from '../../src/session/conflict.js';
import type { Intake } from '../../src/session/intake.js';
import { encodeFrame, type FrameFields } from './frames.js';
import type { SessionRoom } from './session-room.js';

/**
 * What the intake makes of a frame: `taken`, `duplicate`, `taken from another` and `passed` for the two kinds of conflict, or the problem.
 */
export async function verdict(intake: Intake, fields: FrameFields): Promise<string> {
  const { duplicates } = intake;
  const frame = encodeFrame(fields);
  const problem = await intake.take(frame, 0, frame.length);
  if (problem instanceof Conflict) {
    return problem.reason.includes('another frame') ? 'taken from another' : 'passed';
  }
  if (problem !== null) {
    return `${problem.field} ${problem.reason}`;
  }
  return intake.duplicates > duplicates ? 'duplicate' : 'taken';
}

/** The same of one frame after the other, over a stream of their own. */
export async function verdicts(room: SessionRoom, frames: readonly FrameFields[]): Promise<string[]> {
  const intake = room.sessions.newIntake();
  const results: string[] = [];
  for (const frame of frames) {
    results.push(await verdict(intake, frame));
  }
  await intake.settle();
  return results;
}
