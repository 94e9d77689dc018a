import { describe, expect, it } from 'vitest';
import { Lane } from '../../src/session/lane.js';
import { WritePlaces } from '../../src/session/write-places.js';
import { encodeFrame } from '../support/frames.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';

function sampled(...shares: number[]): WritePlaces {
  const places = new WritePlaces(() => shares.shift() ?? Number.NaN);
  while (shares.length > 0) {
    places.sample();
  }
  return places;
}

describe('how many sessions are written at once', () => {
  it('is eight while the event loop has time, however many wait', () => {
    expect([0, 1, 1000].map((waiting) => sampled(0.9).places(waiting))).toEqual([8, 8, 8]);
  });

  it('is two while it has none, and one more for each sixteen that wait', () => {
    const places = sampled(0.95);
    expect([0, 10, 32, 33, 100, 128, 100_000].map((waiting) => places.places(waiting))).toEqual([2, 2, 2, 3, 7, 8, 8]);
  });

  it('does not change with every sample: what makes the loop less busy would end at once what made it so', () => {
    expect(sampled(0.95, 0.55).places(1)).toBe(2);
    expect(sampled(0.95, 0.55, 0.4).places(1)).toBe(8);
    expect(sampled(0.7).places(1)).toBe(8);
  });

  it('is eight on a disk that is slow to sync, and when no more frames come', () => {
    const places = sampled(0.95);
    places.synced(0.05);
    expect(places.places(1)).toBe(2);
    for (let sync = 0; sync < 10; sync++) {
      places.synced(0.05);
    }
    expect(places.places(1)).toBe(8);
    for (let sync = 0; sync < 100; sync++) {
      places.synced(0.001);
    }
    expect(places.places(1)).toBe(2);
    places.relax();
    expect(places.places(1)).toBe(8);
  });

  it('is followed by a lane that is asked how many wait: of fewer places none is taken, more are taken at once', async () => {
    let places = 3;
    const waited: number[] = [];
    const lane = new Lane((waiting) => {
      waited.push(waiting);
      return places;
    });
    const ends: (() => void)[] = [];
    const enqueue = (): void => lane.enqueue(() => new Promise<void>((resolve) => ends.push(resolve)), {});
    for (let index = 0; index < 10; index++) {
      enqueue();
    }
    await expect.poll(() => ends.length).toBe(3);
    places = 1;
    ends[0]?.();
    ends[1]?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(ends).toHaveLength(3);
    ends[2]?.();
    await expect.poll(() => ends.length).toBe(4);
    expect(waited.at(-1)).toBe(6);
    // Nothing is enqueued, and nothing ends.
    places = 5;
    lane.fill();
    expect(ends).toHaveLength(8);
    expect(waited.at(-1)).toBe(2);
  });

  it('is sampled by the room itself, and a busy one stores everything', async () => {
    await using directory = await temporaryDirectory();
    let asked = 0;
    const busyShare = (): number => {
      asked++;
      return 1;
    };
    const { sessions } = await openSessionRoom(directory.path, { busyShare });
    sessions.registry.sweep();
    const intake = sessions.newIntake();
    for (let index = 0; index < 200; index++) {
      const frame = encodeFrame({ session_id: `session ${index % 40}`, content: `line ${index}` });
      await intake.take(frame, 0, frame.length);
    }
    expect((await intake.settle()).map(({ lastSeq }) => lastSeq)).toEqual(Array.from({ length: 40 }, () => 5));
    expect(asked).toBe(1);
    await sessions.registry.drain();
  });
});
