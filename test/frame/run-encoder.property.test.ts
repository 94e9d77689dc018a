import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  BATCH,
  DONE,
  FULL,
  GROUP,
  NO_ROOM,
  OTHER_PRODUCER,
  OTHER_SESSION,
  RunEncoder,
  SLOW,
} from '../../src/frame/run-encoder.js';
import { damagedFrame, runFrame } from './arbitrary-run.js';
import { type Format, piece, storedAlike } from './run-harness.js';

const LARGE = 1 << 20;
const formats = fc.constantFrom<Format>(GROUP, BATCH);
const unlimited = new RunEncoder();
/** Ends behind each line, and behind a few. */
const encoders = [unlimited, new RunEncoder(1), new RunEncoder(700)];

/** Results and frames over all runs below, so that the tests are known to have met them. */
const met = { results: [0, 0, 0, 0, 0, 0], fast: 0 };

function agrees(
  bytes: Buffer,
  format: Format,
  runs = unlimited,
  maxFrameBytes = LARGE,
  roomBytes: () => number = () => LARGE,
): void {
  const actual = storedAlike(bytes, format, runs, maxFrameBytes, roomBytes);
  actual.results.forEach((count, result) => (met.results[result] = (met.results[result] ?? 0) + count));
  met.fast += actual.fast;
}

describe('runs and the ordinary path store what the ordinary path alone stores', () => {
  const frames = fc.array(runFrame, { maxLength: 12 });

  it('of whatever frames, of several sessions and producers', () => {
    fc.assert(
      fc.property(frames, formats, (list, format) => agrees(piece(format, list), format)),
      { numRuns: 1500 },
    );
  });

  it('at every limit of the output, the room and the frames', () => {
    fc.assert(
      fc.property(
        frames,
        formats,
        fc.constantFrom(...encoders),
        fc.constantFrom(60, LARGE, LARGE, LARGE),
        fc.infiniteStream(
          fc.oneof(fc.integer({ min: -1, max: 1000 }), {
            weight: 2,
            arbitrary: fc.constantFrom(LARGE, LARGE, LARGE * LARGE),
          }),
        ),
        (list, format, runs, maxFrameBytes, rooms) =>
          agrees(piece(format, list), format, runs, maxFrameBytes, () => rooms.next().value ?? LARGE),
      ),
      { numRuns: 1500 },
    );
  });

  it('of frames with a few bytes changed', () => {
    fc.assert(
      fc.property(damagedFrame, formats, (frame, format) => agrees(piece(format, [frame]), format)),
      { numRuns: 6000 },
    );
  });

  it('of pieces with a few bytes changed', () => {
    fc.assert(
      fc.property(
        frames.filter((list) => list.length > 0),
        formats,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 3 }),
        fc.nat(),
        (list, format, changes, cut) => {
          const bytes = piece(format, list);
          for (const [where, byte] of changes) {
            bytes[where % bytes.length] = byte;
          }
          agrees(bytes.subarray(0, bytes.length - (cut % 3 === 0 ? cut % bytes.length : 0)), format);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('of bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), formats, (bytes, format) =>
        agrees(piece(format, [Buffer.from(bytes)]), format),
      ),
      { numRuns: 2000 },
    );
  });

  afterAll(() => {
    for (const result of [DONE, OTHER_SESSION, OTHER_PRODUCER, SLOW, FULL, NO_ROOM]) {
      expect(met.results[result], `result ${result}`).toBeGreaterThan(50);
    }
    expect(met.fast).toBeGreaterThan(5000);
  });
});
