/**
 * The frames of a run as a function of seed, stream and index: the generator encodes them, the checker makes them again and
 * compares, and neither has to hand the other anything.
 *
 * *Order*: stream `s` sends its frames 0, 1, 2, … in bursts to the sessions round-robin, starting at a session of its own, so that
 * every session comes over every stream at once; or all of them to the one session that is its own. What a session holds of one
 * stream must stand in the order of the index.
 */
import { Dice } from './dice.js';
import { type FrameText, frameText } from './frame-text.js';

export interface FramePlan {
  readonly seed: number;
  /** A session's id is `<sessionPrefix>-<number>`. */
  readonly sessionPrefix: string;
  readonly sessions: number;
  readonly streams: number;
  /** Of all streams together. */
  readonly frames: number;
  /** Frames of one session in succession, within a stream. */
  readonly burst: number;
  /** Each stream is an agent that writes its own session; `sessions` equals `streams` then. */
  readonly own: boolean;
  readonly text: FrameText;
  readonly metadataKeys: number;
}

/** A frame as proto-loader's serializer takes it. */
export interface PlannedFrame {
  readonly time: { readonly seconds: number; readonly nanos: number };
  readonly sessionId: string;
  readonly userId: string;
  readonly role: string;
  /** Begins with `<stream>.<index>`. */
  readonly content: string;
  readonly metadata?: { readonly fields: Readonly<Record<string, { readonly stringValue: string }>> };
}

const FIRST_SECOND = 1_763_719_200;

const ROLES = ['assistant', 'tool', 'user', 'stdout'];
const LEVELS = ['info', 'debug', 'warn', 'error', 'notice'];
const TOOLS = ['shell', 'browser', 'editor', 'python', 'search', 'planner', 'git'];

export function sessionId(plan: FramePlan, session: number): string {
  return `${plan.sessionPrefix}-${String(session).padStart(5, '0')}`;
}

export function framesOfStream(plan: FramePlan, stream: number): number {
  return Math.floor(plan.frames / plan.streams) + (stream < plan.frames % plan.streams ? 1 : 0);
}

/** The session that a stream's frame belongs to, from 0. */
export function sessionOf(plan: FramePlan, stream: number, index: number): number {
  return plan.own ? stream : (Math.floor(index / plan.burst) + firstSessionOf(plan, stream)) % plan.sessions;
}

/** Index of the first frame that a stream sends to a session; infinite when it sends none. */
export function firstIndexOf(plan: FramePlan, stream: number, session: number): number {
  if (plan.own) {
    return stream === session ? 0 : Number.POSITIVE_INFINITY;
  }
  return ((session - firstSessionOf(plan, stream) + plan.sessions) % plan.sessions) * plan.burst;
}

/** Index of the next frame that the stream sends to the same session. */
export function nextIndexOf(plan: FramePlan, index: number): number {
  const next = index + 1;
  return plan.own || next % plan.burst !== 0 ? next : next + plan.burst * (plan.sessions - 1);
}

function firstSessionOf(plan: FramePlan, stream: number): number {
  return (stream * Math.max(1, Math.floor(plan.sessions / plan.streams))) % plan.sessions;
}

export function plannedFrame(plan: FramePlan, stream: number, index: number): PlannedFrame {
  const dice = new Dice(plan.seed, stream, index);
  const frame = {
    time: { seconds: FIRST_SECOND + Math.floor(index / 500), nanos: 1 + dice.roll(999_999_999) },
    sessionId: sessionId(plan, sessionOf(plan, stream, index)),
    userId: `agent-${stream}`,
    role: dice.pick(ROLES),
    content: frameText(plan.text, dice, stream, index),
  };
  return plan.metadataKeys === 0 ? frame : { ...frame, metadata: { fields: metadata(plan.metadataKeys, dice) } };
}

function metadata(keys: number, dice: Dice): Record<string, { stringValue: string }> {
  const fields: Record<string, { stringValue: string }> = { level: { stringValue: dice.pick(LEVELS) } };
  if (keys > 1) {
    fields['tool'] = { stringValue: dice.pick(TOOLS) };
  }
  for (let key = 2; key < keys; key++) {
    fields[`attribute_${key}`] = { stringValue: `value ${dice.roll(1000)}` };
  }
  return fields;
}
