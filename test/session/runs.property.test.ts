import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchView } from '../../src/frame/batch-view.js';
import { BATCH, GROUP } from '../../src/frame/run-encoder.js';
import { type Clock, systemClock } from '../../src/segment/clock.js';
import { Flow } from '../../src/session/flow.js';
import type { Intake } from '../../src/session/intake.js';
import { encodeBatch, encodeFrame, type FrameFields } from '../support/frames.js';
import { openSessionRoom, type SessionRoom, temporaryDirectory } from '../support/session-room.js';

const clock: Clock = { ...systemClock, wallMs: () => 1_763_719_200_123 };

const frame: fc.Arbitrary<FrameFields> = fc.record(
  {
    session_id: fc.constantFrom('a', 'b', 'c', ''),
    role: fc.constantFrom('user', 'assistant'),
    content: fc.oneof(fc.string({ maxLength: 40 }), fc.constant('x'.repeat(700))),
    // Numbered frames, and those that repeat one, are no business of a run.
    seq: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 60 })),
    producer_id: fc.constantFrom('', 'p', 'q'),
    producer_seq: fc.integer({ min: 0, max: 20 }),
    time: fc.record({ seconds: fc.integer({ min: 0, max: 2_000_000_000 }) }),
  },
  { requiredKeys: ['session_id'] },
);

type Refused = { index: number; field: string }[];

/** What the doors do, frame by frame. */
async function takeOneByOne(intake: Intake, frames: readonly Buffer[], refused: Refused): Promise<void> {
  for (const [index, bytes] of frames.entries()) {
    const problem = await intake.take(bytes, 0, bytes.length);
    if (problem !== null) {
      refused.push({ index, field: problem.field });
    }
  }
}

/** What the doors do with a message of many frames. */
async function takeTogether(
  intake: Intake,
  message: Buffer,
  places: readonly { head: number; start: number; end: number }[],
  format: typeof GROUP | typeof BATCH,
  refused: Refused,
): Promise<void> {
  for (let at = 0; at < places.length; at++) {
    at += intake.takeRun(message, places[at]?.head ?? 0, format);
    const place = places[at];
    const problem = place === undefined ? null : await intake.take(message, place.start, place.end);
    if (problem !== null) {
      refused.push({ index: at, field: problem.field });
    }
  }
}

function groupOf(frames: readonly Buffer[]): {
  message: Buffer;
  places: { head: number; start: number; end: number }[];
} {
  const places: { head: number; start: number; end: number }[] = [];
  const parts: Buffer[] = [];
  let at = 0;
  for (const bytes of frames) {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(bytes.length, 1);
    parts.push(header, bytes);
    places.push({ head: at, start: at + 5, end: at + 5 + bytes.length });
    at += 5 + bytes.length;
  }
  return { message: Buffer.concat(parts), places };
}

function batchOf(frames: readonly Buffer[]): ReturnType<typeof groupOf> {
  const message = encodeBatch(1, frames);
  const view = new BatchView();
  expect(view.parse(message)).toBe(null);
  const places = view.tags.map((head, index) => ({ head, start: view.starts[index] ?? 0, end: view.ends[index] ?? 0 }));
  return { message, places };
}

async function storedBy(room: SessionRoom): Promise<string> {
  await room.sessions.registry.drain();
  const sealed = await Promise.all(
    room.sealed
      .toSorted((one, other) => one.summary.sessionId.localeCompare(other.summary.sessionId))
      .map(
        async ({ rawPath, summary }) =>
          `${JSON.stringify({ ...summary, producers: [...summary.producers] })}\n${await readFile(rawPath, 'utf8')}`,
      ),
  );
  const active = ['a', 'b', 'c'].map((name) =>
    readFile(join(room.layout.active, `${name}.logtmp`), 'utf8').catch(() => ''),
  );
  return [...sealed, ...(await Promise.all(active))].join('--\n');
}

test('frames that are taken together are stored, counted and refused as one by one, whatever is among them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(frame, { minLength: 1, maxLength: 60 }), { minLength: 1, maxLength: 4 }),
      fc.constantFrom(GROUP, BATCH),
      // As the doors do it: one for a stream, or one for each batch.
      fc.boolean(),
      async (messages, format, oneIntake) => {
        const outcomes = await Promise.all(
          [false, true].map(async (together) => {
            await using directory = await temporaryDirectory();
            const room = await openSessionRoom(directory.path, { clock, maxBytes: 4000 });
            const intakes = [room.sessions.newIntake()];
            const refused: Refused = [];
            for (const [index, fields] of messages.entries()) {
              const intake = intakes[index] ?? (oneIntake ? intakes[0] : room.sessions.newIntake());
              assert(intake);
              intakes[index] = intake;
              const frames = fields.map(encodeFrame);
              const { message, places } = format === GROUP ? groupOf(frames) : batchOf(frames);
              await (together
                ? takeTogether(intake, message, places, format, refused)
                : takeOneByOne(intake, frames, refused));
            }
            const ranges = await Promise.all(intakes.map((intake) => intake.settle()));
            const taken = intakes.map(({ received, written, duplicates }) => ({ received, written, duplicates }));
            const { framesReceived, framesDuplicate, bytesReceived, framesWritten } = room.counts;
            const counts = {
              taken,
              framesReceived,
              framesDuplicate,
              bytesReceived,
              framesWritten,
            };
            return { refused, ranges, counts, stored: await storedBy(room) };
          }),
        );
        expect(outcomes[1]).toEqual(outcomes[0]);
      },
    ),
    { numRuns: 150 },
  );
});

test('a run begins with the first frame of whoever asks, once its session has a writer', async () => {
  await using directory = await temporaryDirectory();
  const room = await openSessionRoom(directory.path, { clock });
  const frames = ['a', 'a', 'b'].map((id) => encodeFrame({ session_id: id, content: 'one' }));
  const { message, places } = batchOf(frames);
  const taken = async (): Promise<number> => {
    const intake = room.sessions.newIntake();
    const count = intake.takeRun(message, places[0]?.head ?? 0, BATCH);
    await takeTogether(intake, message, places.slice(count), BATCH, []);
    await intake.settle();
    return count;
  };
  expect([await taken(), await taken()]).toEqual([0, 3]);
  await room.sessions.registry.drain();
});

test('frames that runs do not take are not tried as runs each time, though every batch has an intake of its own', async () => {
  await using directory = await temporaryDirectory();
  const room = await openSessionRoom(directory.path, { clock });
  const flow = new Flow();
  const skips: number[] = [];
  for (let seq = 1; seq <= 10; seq++) {
    // Numbered ones.
    const { message, places } = batchOf([encodeFrame({ session_id: 'a', seq })]);
    const intake = room.sessions.newIntake(flow);
    await takeTogether(intake, message, places, BATCH, []);
    await intake.settle();
    skips.push(flow.skips);
  }
  expect(skips).toEqual([0, 1, 0, 3, 2, 1, 0, 7, 6, 5]);
  await room.sessions.registry.drain();
});
