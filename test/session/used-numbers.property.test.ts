import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Conflict } from '../../src/session/conflict.js';
import type { Intake } from '../../src/session/intake.js';
import { encodeFrame, type FrameFields } from '../support/frames.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

const RUNS = 150;
const WRITERS = 3;

/** One frame of one writer: a new number, or an old one, as it was or changed. */
interface Send {
  readonly kind: 'send';
  readonly writer: number;
  /** Above 0: so many numbers past the last one. 0: the server gives it. Below: a used number, counted back from the last. */
  readonly step: number;
  readonly content: string;
  readonly seconds: number | null;
  /** Of an old number: send what is stored there instead. */
  readonly asStored: 'whole' | 'without time' | 'no';
}
type Action = Send | { readonly kind: 'reconnect'; readonly writer: number } | { readonly kind: 'restart' };

const writer = fc.nat({ max: WRITERS - 1 });
const send: fc.Arbitrary<Send> = fc.record({
  kind: fc.constant('send' as const),
  writer,
  step: fc.oneof(fc.integer({ min: -40, max: -1 }), fc.constantFrom(0, 1, 1, 1, 2, 9)),
  content: fc.constantFrom('a', 'b', 'x'.repeat(80)),
  seconds: fc.constantFrom(null, 1_763_719_200, 1_763_719_201),
  asStored: fc.constantFrom('whole', 'without time', 'no'),
});
const actions = fc.array(
  fc.oneof(
    { arbitrary: send, weight: 40 },
    { arbitrary: fc.record({ kind: fc.constant('reconnect' as const), writer }), weight: 2 },
    { arbitrary: fc.constant({ kind: 'restart' as const }), weight: 1 },
  ),
  { minLength: 10, maxLength: 120 },
);

interface StoredFrame {
  readonly content: string;
  /** Null: the server's. */
  readonly seconds: number | null;
}

type Outcome = 'stored' | 'duplicate' | 'conflict';

/** What has to be there, and what each frame has to be told: DESIGN §4, "seq.", in a dozen lines. */
class Model {
  readonly frames = new Map<number, StoredFrame>();
  lastSeq = 0;

  take(seq: number, content: string, seconds: number | null): Outcome {
    if (seq === 0 || seq > this.lastSeq) {
      this.lastSeq = seq === 0 ? this.lastSeq + 1 : seq;
      this.frames.set(this.lastSeq, { content, seconds });
      return 'stored';
    }
    const stored = this.frames.get(seq);
    const equal = stored?.content === content && (seconds === null || seconds === stored.seconds);
    return equal ? 'duplicate' : 'conflict';
  }

  /** The frame that an action sends now. */
  frameOf({ step, content, seconds, asStored }: Send): { seq: number; content: string; seconds: number | null } {
    const seq = step === 0 ? 0 : Math.max(this.lastSeq + step + (step < 0 ? 1 : 0), 1);
    const stored = this.frames.get(seq);
    return stored === undefined || asStored === 'no'
      ? { seq, content, seconds }
      : { seq, content: stored.content, seconds: asStored === 'whole' ? stored.seconds : null };
  }
}

async function outcomeOf(intake: Intake, frame: FrameFields): Promise<Outcome> {
  const { duplicates } = intake;
  const bytes = encodeFrame(frame);
  const problem = await intake.take(bytes, 0, bytes.length);
  if (problem !== null) {
    expect(problem).toBeInstanceOf(Conflict);
    return 'conflict';
  }
  return intake.duplicates > duplicates ? 'duplicate' : 'stored';
}

async function check(run: readonly Action[], seen: Set<Outcome>): Promise<void> {
  await using directory = await temporaryDirectory();
  const open = () => openSessionRoom(directory.path, { maxBytes: 700 });
  const model = new Model();
  let room = await open();
  let intakes = Array.from({ length: WRITERS }, () => room.sessions.newIntake());
  /** What each writer waits for: one frame at a time, and all writers at once. */
  const waiting = Array.from({ length: WRITERS }, () => Promise.resolve());
  for (const action of run) {
    if (action.kind === 'restart') {
      await Promise.all(waiting);
      await Promise.all(intakes.map((intake) => intake.settle()));
      await room.sessions.registry.drain();
      room = await open();
      intakes = intakes.map(() => room.sessions.newIntake());
      continue;
    }
    await waiting[action.writer];
    if (action.kind === 'reconnect') {
      intakes[action.writer] = room.sessions.newIntake();
      continue;
    }
    if (room.sessions.registry.get('s') === null) {
      // While a session is opened, frames wait for it in an order of their own.
      await Promise.all(waiting);
    }
    const { seq, content, seconds } = model.frameOf(action);
    const expected = model.take(seq, content, seconds);
    seen.add(expected);
    const frame = { session_id: 's', seq, content, ...(seconds === null ? {} : { time: { seconds } }) };
    const told = outcomeOf(intakes[action.writer] ?? room.sessions.newIntake(), frame);
    waiting[action.writer] = told.then((outcome) => expect([seq, outcome]).toEqual([seq, expected]));
    if (room.sessions.registry.get('s') === null) {
      await waiting[action.writer];
    }
  }
  await Promise.all(waiting);
  await room.sessions.registry.drain();
  const stored = (await storedLines(directory.path, 's')).map(({ seq, content }) => [seq, content]);
  expect(stored).toEqual(Array.from(model.frames, ([seq, { content }]) => [seq, content]));
}

test('writers that number, repeat and change their frames at once, over reconnects and restarts, are told what the model says', async () => {
  const seen = new Set<Outcome>();
  await fc.assert(
    fc.asyncProperty(actions, (run) => check(run, seen)),
    { numRuns: RUNS },
  );
  expect([...seen].toSorted()).toEqual(['conflict', 'duplicate', 'stored']);
});
