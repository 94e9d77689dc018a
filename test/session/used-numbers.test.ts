import { describe, expect, test } from 'vitest';
import { encodeFrame, type FrameFields } from '../support/frames.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';
import { verdicts } from '../support/verdicts.js';

const time = { seconds: 1_763_719_200, nanos: 123_456_789 };
const timed = { session_id: 's', seq: 5, content: 'a', role: 'user', time };
const untimed = { session_id: 's', seq: 6, content: 'b', role: 'user' };
const ANOTHER = 'taken from another';

/** Frames under used numbers, each with what it is; every line of it changes one thing of what is stored. */
const RETRIES: readonly [FrameFields, string][] = [
  [timed, 'duplicate'],
  [untimed, 'duplicate'],
  // The server's time is nobody's word.
  [{ session_id: 's', seq: 5, content: 'a', role: 'user' }, 'duplicate'],
  [{ ...timed, time: { ...time, nanos: 123_456_788 } }, ANOTHER],
  [{ ...untimed, time }, ANOTHER],
  [{ ...timed, content: 'A' }, ANOTHER],
  [{ ...timed, content: '' }, ANOTHER],
  [{ ...timed, role: 'users' }, ANOTHER],
  [{ ...timed, user_id: 'u' }, ANOTHER],
  [{ ...timed, version: 1 }, ANOTHER],
  [{ ...untimed, producer_id: 'p' }, ANOTHER],
  [{ ...untimed, content: 'a' }, ANOTHER],
  [{ ...timed, seq: 1 }, 'passed'],
  [{ ...timed, seq: 4 }, 'passed'],
];

describe('a frame under a used number', () => {
  test('is a duplicate when it equals what is stored there, and a conflict when not', async () => {
    await using directory = await temporaryDirectory();
    const room = await openSessionRoom(directory.path);
    expect(await verdicts(room, [timed, untimed])).toEqual(['taken', 'taken']);
    expect(
      await verdicts(
        room,
        RETRIES.map(([frame]) => frame),
      ),
    ).toEqual(RETRIES.map(([, what]) => what));
    expect((await storedLines(directory.path, 's')).map(({ seq, content }) => [seq, content])).toEqual([
      [5, 'a'],
      [6, 'b'],
    ]);
    expect(room.counts).toMatchObject({ framesReceived: 5, framesDuplicate: 3, framesWritten: 2 });
  });

  test('is the same after a restart, when no hash is left', async () => {
    await using directory = await temporaryDirectory();
    const first = await openSessionRoom(directory.path);
    await verdicts(first, [timed, untimed]);
    await first.sessions.registry.drain();
    const second = await openSessionRoom(directory.path);
    expect(
      await verdicts(
        second,
        RETRIES.map(([frame]) => frame),
      ),
    ).toEqual(RETRIES.map(([, what]) => what));
    expect(await verdicts(second, [{ session_id: 's', content: 'c' }])).toEqual(['taken']);
  });

  test('is told with the session’s last seq, and whether another frame stands there', async () => {
    await using directory = await temporaryDirectory();
    const { take } = await openSessionRoom(directory.path);
    await take(timed);
    await take({ session_id: 's' });
    await expect(take({ ...timed, content: 'x' })).rejects.toThrow(
      "seq 5 is used: another frame is stored under it; the session's last seq is 6",
    );
    await expect(take({ ...timed, seq: 3 })).rejects.toThrow(
      "seq 3 was passed over: no frame is stored under it, and none can be any more; the session's last seq is 6",
    );
  });

  test('that the server gave is compared, too', async () => {
    await using directory = await temporaryDirectory();
    const room = await openSessionRoom(directory.path);
    await verdicts(room, [
      { session_id: 's', content: 'a' },
      { session_id: 's', content: 'b' },
    ]);
    expect(
      await verdicts(room, [
        { session_id: 's', content: 'a', seq: 1 },
        { session_id: 's', content: 'a', seq: 2 },
        { session_id: 's', content: 'b', seq: 2 },
      ]),
    ).toEqual(['duplicate', ANOTHER, 'duplicate']);
  });

  test('that can never be stored is called invalid, not a conflict', async () => {
    await using directory = await temporaryDirectory();
    const room = await openSessionRoom(directory.path);
    await verdicts(room, [timed]);
    // metadata { fields { key: "a" value { number_value: … } } } with a key that says it is longer than the message
    const broken = Buffer.concat([encodeFrame(timed), Buffer.from([0x42, 0x03, 0x0a, 0x09, 0x00])]);
    const intake = room.sessions.newIntake();
    expect(await intake.take(broken, 0, broken.length)).toMatchObject({ field: 'metadata' });
  });

  test('with a producer’s mark that was reached is a duplicate by that', async () => {
    await using directory = await temporaryDirectory();
    const room = await openSessionRoom(directory.path);
    const marked = { session_id: 's', producer_id: 'p' };
    expect(
      await verdicts(room, [
        { ...marked, seq: 1, producer_seq: 1, content: 'a' },
        { ...marked, seq: 2, producer_seq: 2, content: 'b' },
        // The mark says it, whatever number the retry brings.
        { ...marked, seq: 9, producer_seq: 2, content: 'b' },
        { ...marked, seq: 1, producer_seq: 2, content: 'b' },
        { ...marked, producer_seq: 1, content: 'a' },
        // A new mark under a used number, twice: the refused one leaves no mark behind.
        { ...marked, seq: 2, producer_seq: 3, content: 'c' },
        { ...marked, seq: 3, producer_seq: 3, content: 'c' },
      ]),
    ).toEqual(['taken', 'taken', 'duplicate', 'duplicate', 'duplicate', ANOTHER, 'taken']);
  });
});
