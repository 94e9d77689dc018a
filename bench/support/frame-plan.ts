/**
 * The frames of a run as a function of seed, stream and index: the generator encodes them, the checker makes them again and
 * compares, and neither has to hand the other anything.
 *
 * *Order*: stream `s` sends its frames 0, 1, 2, … to the sessions round-robin, starting at a session of its own, so that
 * every session comes over every stream at once. What a session holds of one stream must stand in the order of the index.
 */

export interface FramePlan {
  readonly seed: number;
  /** A session's id is `<sessionPrefix>-<number>`. */
  readonly sessionPrefix: string;
  readonly sessions: number;
  readonly streams: number;
  /** Of all streams together. */
  readonly frames: number;
}

/** A frame as proto-loader's serializer takes it. */
export interface PlannedFrame {
  readonly time: { readonly seconds: number; readonly nanos: number };
  readonly sessionId: string;
  readonly userId: string;
  readonly role: string;
  /** Begins with `<stream>.<index> `. */
  readonly content: string;
  readonly metadata: { readonly fields: Readonly<Record<string, { readonly stringValue: string }>> };
}

const TEXT_BYTES_MIN = 30;
const TEXT_BYTES_SPAN = 105;
const FIRST_SECOND = 1_763_719_200;

const ROLES = ['assistant', 'tool', 'user', 'stdout'];
const LEVELS = ['info', 'debug', 'warn', 'error', 'notice'];
const TOOLS = ['shell', 'browser', 'editor', 'python', 'search', 'planner', 'git'];
const FRAGMENTS = [
  'opened src/main.ts',
  'read 212 lines',
  'GET /v1/models 200',
  'npm warn deprecated glob@7.2.3',
  'compiled in 1.8s',
  'retrying after',
  'expected 4, got',
  'waiting for lock',
  'wrote',
  'bytes to cache',
  'token budget left:',
  'tests/unit/parser_test.py PASSED',
  'fetch origin',
  'checked out 3f9c2ab',
  'KeyError:',
  'plan step',
  'calling tool',
  'connection reset by peer',
  'queue depth',
  'docker build --tag app:',
  'layer cached',
  'I will look at the failing case first.',
  'Then the fix is to close the handle before',
  'renaming',
  'exit code',
  'http://127.0.0.1:8080/healthz',
];
/** What JSON escapes or UTF-8 makes longer: one fragment in SPECIAL_EVERY, about one frame in eight. */
const SPECIAL_FRAGMENTS = [
  'the test "keeps order" failed:',
  'C:\\agent\\work',
  'Traceback (most recent call last):\n',
  'höher als erwartet',
  '测试通过 ✅',
  '\tat Object.<anonymous>',
];
const SPECIAL_EVERY = 32;

export function sessionId(plan: FramePlan, session: number): string {
  return `${plan.sessionPrefix}-${String(session).padStart(5, '0')}`;
}

export function framesOfStream(plan: FramePlan, stream: number): number {
  return Math.floor(plan.frames / plan.streams) + (stream < plan.frames % plan.streams ? 1 : 0);
}

/** The session that a stream's frame belongs to, from 0. */
export function sessionOf(plan: FramePlan, stream: number, index: number): number {
  return (index + firstSessionOf(plan, stream)) % plan.sessions;
}

/** Index of the first frame that a stream sends to a session; the next ones follow every `plan.sessions` frames. */
export function firstIndexOf(plan: FramePlan, stream: number, session: number): number {
  return (session - firstSessionOf(plan, stream) + plan.sessions) % plan.sessions;
}

function firstSessionOf(plan: FramePlan, stream: number): number {
  return (stream * Math.max(1, Math.floor(plan.sessions / plan.streams))) % plan.sessions;
}

export function plannedFrame(plan: FramePlan, stream: number, index: number): PlannedFrame {
  const dice = new Dice(plan.seed, stream, index);
  return {
    time: { seconds: FIRST_SECOND + Math.floor(index / 500), nanos: 1 + dice.roll(999_999_999) },
    sessionId: sessionId(plan, sessionOf(plan, stream, index)),
    userId: `agent-${stream}`,
    role: dice.pick(ROLES),
    content: contentOf(dice, stream, index),
    metadata: { fields: { level: { stringValue: dice.pick(LEVELS) }, tool: { stringValue: dice.pick(TOOLS) } } },
  };
}

/** 30 to about 180 bytes, 95 on average. */
function contentOf(dice: Dice, stream: number, index: number): string {
  const length = TEXT_BYTES_MIN + dice.roll(TEXT_BYTES_SPAN);
  let text = `${stream}.${index}`;
  while (text.length < length) {
    const number = dice.roll(1_000_000);
    const fragment = dice.pick(number % SPECIAL_EVERY === 0 ? SPECIAL_FRAGMENTS : FRAGMENTS);
    text += number % 3 === 0 ? ` ${fragment} ${number}` : ` ${fragment}`;
  }
  return text;
}

/** xorshift32 (Marsaglia, 2003), started from a hash of seed, stream and index. */
class Dice {
  #state: number;

  constructor(seed: number, stream: number, index: number) {
    this.#state = mix(mix(mix(seed) ^ stream) ^ index) || 1;
  }

  /** From 0 to below `sides`. */
  roll(sides: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % sides;
  }

  pick(choices: readonly string[]): string {
    return choices[this.roll(choices.length)] ?? '';
  }
}

/** The finalizer of MurmurHash3 (Appleby): every input bit reaches every output bit. */
function mix(value: number): number {
  let hash = value + 0x9e3779b9;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
