import type { FrameProblem } from '../frame/frame-problem.js';

/** What became of a frame that was no problem. */
export const STORED = 1;
/** The session holds it already. */
export const DUPLICATE = 2;
/** Its number is used, and only the session's files can tell for what: `SessionWriter.storedLine` asks them. */
export const UNDECIDED = 3;

export type AppendOutcome = typeof STORED | typeof DUPLICATE | typeof UNDECIDED | FrameProblem;
