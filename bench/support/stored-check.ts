/** Whether every planned frame is stored, once, in order: each line is parsed and compared with the frame made again. */
import {
  type FramePlan,
  firstIndexOf,
  framesOfStream,
  nextIndexOf,
  type PlannedFrame,
  plannedFrame,
  sessionId,
} from './frame-plan.js';
import type { StoredSession } from './stored-sessions.js';

export interface StoredFrame {
  readonly seq: number;
  readonly content: string;
  /** All other fields, in the form that `LineFormat.rest` gives too. */
  readonly rest: string;
}

/** How a server writes a frame. */
export interface LineFormat {
  read(line: string): StoredFrame;
  /** The `rest` that a frame must have. */
  rest(frame: PlannedFrame): string;
}

const NEWLINE = 10;

/** @throws naming session and line when a frame is missing, changed, out of order or there twice */
export function checkStored(stored: readonly StoredSession[], plans: readonly FramePlan[], format: LineFormat): void {
  const byId = new Map(stored.map((session) => [session.id, session]));
  for (const plan of plans) {
    for (let number = 0; number < plan.sessions; number++) {
      const id = sessionId(plan, number);
      checkSession(byId.get(id) ?? { id, segments: [] }, plan, number, format);
      byId.delete(id);
    }
  }
  if (byId.size > 0) {
    throw new Error(`sessions that nobody sent: ${[...byId.keys()].join(', ')}`);
  }
}

/** seq counts from 1 without gaps; of each stream, exactly the frames planned for the session, by rising index. */
function checkSession(stored: StoredSession, plan: FramePlan, session: number, format: LineFormat): void {
  const next = Array.from({ length: plan.streams }, (_, stream) => firstIndexOf(plan, stream, session));
  let seq = 0;
  for (const segment of stored.segments) {
    for (const line of lines(segment())) {
      seq++;
      checkLine(line, seq, next, plan, format, `${stored.id}, line ${seq}`);
    }
  }
  for (const [stream, index] of next.entries()) {
    if (index < framesOfStream(plan, stream)) {
      throw new Error(`${stored.id}: frame ${stream}.${index} is not stored`);
    }
  }
}

function checkLine(
  line: string,
  seq: number,
  next: number[],
  plan: FramePlan,
  format: LineFormat,
  where: string,
): void {
  const frame = format.read(line);
  const [, streamText, indexText] = /^(\d+)\.(\d+)/.exec(frame.content) ?? [];
  const stream = Number(streamText);
  const index = Number(indexText);
  if (next[stream] !== index || index >= framesOfStream(plan, stream)) {
    throw new Error(`${where}: frame ${stream}.${index} where ${stream}.${next[stream]} was next`);
  }
  const planned = plannedFrame(plan, stream, index);
  if (frame.seq !== seq || frame.content !== planned.content || frame.rest !== format.rest(planned)) {
    throw new Error(`${where}: not what was sent as frame ${stream}.${index}: ${line}`);
  }
  next[stream] = nextIndexOf(plan, index);
}

function* lines(segment: Buffer): Generator<string> {
  let at = 0;
  while (at < segment.length) {
    const end = segment.indexOf(NEWLINE, at);
    if (end < 0) {
      throw new Error(`a segment ends in the middle of a line: ${segment.toString('utf8', at)}`);
    }
    yield segment.toString('utf8', at, end);
    at = end + 1;
  }
}
