import { describe, expect, it } from 'vitest';
import { type FramePlan, framesOfStream, type PlannedFrame, plannedFrame } from '../../bench/support/frame-plan.js';
import { PeerCheck, type PeerRecord } from '../../bench/support/peer-check.js';

const plan: FramePlan = {
  seed: 7,
  sessionPrefix: 'bench',
  sessions: 3,
  streams: 2,
  frames: 40,
  burst: 4,
  own: false,
  text: { kind: 'agent' },
  metadataKeys: 2,
};

function records(): PeerRecord[] {
  const all: PlannedFrame[] = [];
  for (let stream = 0; stream < plan.streams; stream++) {
    for (let index = 0; index < framesOfStream(plan, stream); index++) {
      all.push(plannedFrame(plan, stream, index));
    }
  }
  return all.map((stored) => {
    return { content: stored.content, isOf: (frame) => JSON.stringify(frame) === JSON.stringify(stored) };
  });
}

function check(stored: readonly PeerRecord[]): void {
  const checked = new PeerCheck(plan);
  for (const record of stored) {
    checked.take(record);
  }
  checked.finish();
}

describe("the check of a peer's store", () => {
  it('passes what is stored whole, in any order of the streams', () => {
    expect(() => check(records())).not.toThrow();
    const half = plan.frames / 2;
    expect(() => check([...records().slice(half), ...records().slice(0, half)])).not.toThrow();
  });

  it('finds a frame that is missing, at the end and in the middle', () => {
    expect(() => check(records().slice(0, -1))).toThrow('39 of 40 frames are stored');
    expect(() => check(records().toSpliced(1, 1))).toThrow('frame 0.2 where 0.1 was next');
  });

  it('finds a frame that is there twice, and two that changed places', () => {
    const [one, two, ...rest] = records();
    expect(() => check([one, one, two, ...rest].filter((record) => record !== undefined))).toThrow('0.1 was next');
    expect(() => check([two, one, ...rest].filter((record) => record !== undefined))).toThrow('0.0 was next');
  });

  it('finds a frame that is not what was sent', () => {
    const changed = records().map((record, at) => (at === 6 ? { ...record, isOf: () => false } : record));
    expect(() => check(changed)).toThrow('not what was sent as frame 0.6');
  });
});
