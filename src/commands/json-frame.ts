/**
 * One line of `logweir send --json`: a frame as logweir stores it (DESIGN §5), so that `logweir cat` can be sent again.
 */
import type { FrameTime, JsonObject, OutgoingFrame } from '../client/frame.js';
import { SEQ_MAX, SESSION_ID_BYTES_MAX } from '../frame/limits.js';
import { parseRfc3339 } from '../frame/rfc3339.js';

/** What is wrong with a line: a clause that begins with the field, where there is one. */
export class JsonFrameError extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = 'JsonFrameError';
  }
}

const FIELDS: ReadonlySet<string> = new Set([
  'seq',
  'time',
  'session_id',
  'user_id',
  'role',
  'content',
  'metadata',
  'version',
  'producer_id',
  'producer_seq',
]);
const INT32_MAX = 2 ** 31 - 1;

/** What a frame gets where its line says nothing. `sessionId` is also what a line's own must equal. */
export interface FrameDefaults {
  readonly sessionId: string | undefined;
  readonly role: string | undefined;
  readonly userId: string | undefined;
  /** Not of a frame with a number: sent again it would be another frame under it. The server's time stays out of that. */
  readonly time: FrameTime;
}

/** @throws JsonFrameError */
export function parseJsonFrame(line: string, defaults: FrameDefaults): OutgoingFrame {
  const fields = parseObject(line);
  for (const key of Object.keys(fields)) {
    if (!FIELDS.has(key)) {
      throw new JsonFrameError(`${JSON.stringify(key)} is no field of a frame`);
    }
  }
  const seq = integer(fields, 'seq', 0, SEQ_MAX) ?? 0;
  const optional = {
    seq: seq === 0 ? undefined : seq,
    time: timeOf(fields) ?? (seq === 0 ? defaults.time : undefined),
    userId: string(fields, 'user_id') ?? defaults.userId,
    role: string(fields, 'role') ?? defaults.role,
    metadata: metadata(fields),
    version: integer(fields, 'version', -INT32_MAX - 1, INT32_MAX),
    producerId: string(fields, 'producer_id'),
    producerSeq: integer(fields, 'producer_seq', 0, SEQ_MAX),
  };
  return {
    sessionId: sessionIdOf(fields, defaults.sessionId),
    content: string(fields, 'content') ?? '',
    ...withoutUndefined(optional),
  };
}

type Fields = Record<string, unknown>;

function parseObject(line: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new JsonFrameError('is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new JsonFrameError('is not a JSON object');
  }
  return value as Fields;
}

function sessionIdOf(fields: Fields, expected: string | undefined): string {
  const own = string(fields, 'session_id');
  if (own === undefined && expected === undefined) {
    throw new JsonFrameError('session_id is absent, and no --session is given');
  }
  if (own !== undefined && expected !== undefined && own !== expected) {
    throw new JsonFrameError(`session_id is ${JSON.stringify(own)}, not that of --session`);
  }
  const sessionId = own ?? expected ?? '';
  const bytes = Buffer.byteLength(sessionId);
  if (bytes === 0 || bytes > SESSION_ID_BYTES_MAX) {
    throw new JsonFrameError(`session_id must have 1 to ${SESSION_ID_BYTES_MAX} bytes`);
  }
  return sessionId;
}

function timeOf(fields: Fields): FrameTime | undefined {
  const text = string(fields, 'time');
  if (text === undefined) {
    return undefined;
  }
  const time = parseRfc3339(text);
  if (time === null) {
    throw new JsonFrameError('time is not RFC 3339, like 2026-11-21T10:00:00.123Z');
  }
  return time;
}

function metadata(fields: Fields): JsonObject | undefined {
  const value = fields.metadata ?? undefined;
  if (value === undefined) {
    return undefined;
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new JsonFrameError('metadata is not an object');
  }
  return value as JsonObject;
}

/** Null counts as absent, as in protobuf's JSON mapping. */
function string(fields: Fields, key: string): string | undefined {
  const value = fields[key] ?? undefined;
  if (value !== undefined && typeof value !== 'string') {
    throw new JsonFrameError(`${key} is not a string`);
  }
  return value;
}

/** As protobuf's JSON mapping, also takes a 64-bit integer as a string. */
function integer(fields: Fields, key: string, min: number, max: number): number | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) {
    return undefined;
  }
  const number = typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < min || number > max) {
    throw new JsonFrameError(`${key} is not an integer from ${min} to ${max}`);
  }
  return number;
}

type WithoutUndefined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(object: T): WithoutUndefined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as WithoutUndefined<T>;
}
