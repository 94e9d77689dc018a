import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/segment/clock.js';
import { Admission } from '../../src/session/admission.js';
import { UnsyncedLoops } from '../../src/session/unsynced-loops.js';
import type { WriteLoop } from '../../src/session/write-loop.js';
import { encodeFrame } from '../support/frames.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';

const HELD_BYTES_MAX = 1_000_000;

function loops(count: number, heldBytes: number): UnsyncedLoops {
  const admission = new Admission(10 * HELD_BYTES_MAX, systemClock);
  admission.add(heldBytes);
  const unsynced = new UnsyncedLoops(admission, HELD_BYTES_MAX);
  for (let index = 0; index < count; index++) {
    unsynced.add({ index } as unknown as WriteLoop);
  }
  return unsynced;
}

describe('syncs for the sake of memory', () => {
  it('leave few lines to the interval, however many a session has of them', () => {
    expect(loops(0, HELD_BYTES_MAX - 1).isDue(HELD_BYTES_MAX - 1)).toBe(false);
  });

  it('are due for a session that holds its share of many lines, and not for one that holds little', () => {
    const unsynced = loops(99, HELD_BYTES_MAX);
    expect([unsynced.isDue(5000), unsynced.isDue(4999)]).toEqual([true, false]);
  });

  it('are due for a session with a megabyte whatever all hold, and for every one when the budget is passed', () => {
    expect(loops(0, 0).isDue(1024 * 1024)).toBe(true);
    expect(loops(1000, 10 * HELD_BYTES_MAX + 1).isDue(1)).toBe(true);
  });

  it('keep what a room holds in memory near its bound, though nobody waits and no interval passes', async () => {
    await using directory = await temporaryDirectory();
    const { sessions } = await openSessionRoom(directory.path);
    const intake = sessions.newIntake();
    const content = 'x'.repeat(900_000);
    for (let index = 0; index < 60; index++) {
      const frame = encodeFrame({ session_id: `session ${index}`, content });
      await intake.take(frame, 0, frame.length);
    }
    await expect.poll(() => sessions.queueBytes).toBeLessThan(34_000_000);
    await sessions.registry.drain();
    expect(sessions.queueBytes).toBe(0);
  });
});
