import type { PlannedFrame } from './frame-plan.js';
import type { LineFormat } from './stored-check.js';

interface PlainLine {
  readonly seq: number;
  readonly content: string;
  readonly time: { readonly nanos: number };
  readonly metadata?: PlannedFrame['metadata'] | null;
}

/** DESIGN §5: the keys, their order and protobuf's JSON mapping. */
export const logweirLine: LineFormat = {
  read(line) {
    const parsed: { seq: number; content: string } = JSON.parse(line);
    const { seq, content, ...rest } = parsed;
    return { seq, content, rest: JSON.stringify(rest) };
  },
  rest(frame) {
    const fields = Object.entries(frame.metadata?.fields ?? {}).map(([key, { stringValue }]) => [key, stringValue]);
    return JSON.stringify({
      time: timestamp(frame.time),
      session_id: frame.sessionId,
      user_id: frame.userId,
      role: frame.role,
      ...(fields.length === 0 ? {} : { metadata: Object.fromEntries(fields) }),
    });
  },
};

/** The straightforward server's: protobufjs objects as JSON.stringify has them. */
export const plainLine: LineFormat = {
  read(line) {
    const parsed: PlainLine = JSON.parse(line);
    const { seq, content, time, metadata, ...rest } = parsed;
    const compared = { ...rest, nanos: time.nanos, metadata: Object.keys(metadata?.fields ?? {}) };
    return { seq, content, rest: JSON.stringify(compared) };
  },
  rest({ sessionId, userId, role, time, metadata }) {
    return JSON.stringify({
      sessionId,
      userId,
      role,
      nanos: time.nanos,
      metadata: Object.keys(metadata?.fields ?? {}),
    });
  },
};

/** 0, 3, 6 or 9 fraction digits. */
export function timestamp({ seconds, nanos }: PlannedFrame['time']): string {
  const fraction = String(nanos)
    .padStart(9, '0')
    .replace(/(000)+$/, '');
  const whole = new Date(seconds * 1000).toISOString().slice(0, -'.000Z'.length);
  return fraction === '' ? `${whole}Z` : `${whole}.${fraction}Z`;
}
