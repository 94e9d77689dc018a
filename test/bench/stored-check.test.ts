import { describe, expect, it } from 'vitest';
import { type FramePlan, framesOfStream, plannedFrame, sessionId, sessionOf } from '../../bench/support/frame-plan.js';
import { logweirLine } from '../../bench/support/line-formats.js';
import { checkStored } from '../../bench/support/stored-check.js';
import type { StoredSession } from '../../bench/support/stored-sessions.js';

const plan: FramePlan = {
  seed: 7,
  sessionPrefix: 'bench',
  sessions: 3,
  streams: 2,
  frames: 40,
  burst: 1,
  own: false,
  text: { kind: 'agent' },
  metadataKeys: 2,
};

/** Lines as logweir would write them, one stream after the other. */
function storedLines(of: FramePlan): Map<string, string[]> {
  const bySession = new Map<string, string[]>();
  for (let stream = 0; stream < of.streams; stream++) {
    for (let index = 0; index < framesOfStream(of, stream); index++) {
      const frame = plannedFrame(of, stream, index);
      const id = sessionId(of, sessionOf(of, stream, index));
      const lines = bySession.get(id) ?? [];
      bySession.set(id, lines);
      const rest: Record<string, unknown> = JSON.parse(logweirLine.rest(frame));
      lines.push(JSON.stringify({ seq: lines.length + 1, ...rest, content: frame.content }));
    }
  }
  return bySession;
}

function stored(bySession: Map<string, string[]>): StoredSession[] {
  return Array.from(bySession, ([id, lines]) => {
    const [first, ...others] = lines.map((line) => `${line}\n`);
    return { id, segments: [() => Buffer.from(first ?? ''), () => Buffer.from(others.join(''))] };
  });
}

function checking(change: (lines: string[]) => string[]): () => void {
  const bySession = storedLines(plan);
  bySession.set('bench-00001', change(bySession.get('bench-00001') ?? []));
  return () => checkStored(stored(bySession), [plan], logweirLine);
}

function renumbered(lines: readonly string[]): string[] {
  return lines.map((line, at) => line.replace(/"seq":\d+/, `"seq":${at + 1}`));
}

describe('the check at the end of each run', () => {
  it('passes what was stored whole', () => {
    expect(checking((lines) => lines)).not.toThrow();
  });

  it.each<[string, Partial<FramePlan>]>([
    ['in bursts', { burst: 5 }],
    ['in bursts that do not come out even', { burst: 7 }],
    ['by agents with sessions of their own', { own: true, sessions: 2 }],
    ['without metadata', { metadataKeys: 0 }],
    ['with much metadata', { metadataKeys: 20 }],
    ['as text full of quotes', { text: { kind: 'quotes', bytes: 1000 } }],
    ['as the documentation of the machine', { text: { kind: 'real' } }],
  ])('passes what was sent %s', (_, change) => {
    const changed = { ...plan, ...change };
    const lines = storedLines(changed);
    expect(() => checkStored(stored(lines), [changed], logweirLine)).not.toThrow();
    expect([...lines.values()].flat()).toHaveLength(plan.frames);
    lines.get('bench-00001')?.pop();
    expect(() => checkStored(stored(lines), [changed], logweirLine)).toThrow('is not stored');
  });

  it('finds a frame that is missing at the end', () => {
    expect(checking((lines) => lines.slice(0, -1))).toThrow('bench-00001: frame 1.');
  });

  it('finds a frame that is missing in the middle', () => {
    expect(checking((lines) => renumbered([...lines.slice(0, 3), ...lines.slice(4)]))).toThrow('was next');
  });

  it('finds a frame that is there twice', () => {
    expect(checking((lines) => renumbered([...lines.slice(0, 4), ...lines.slice(3)]))).toThrow('was next');
  });

  it('finds two frames of a stream that changed places', () => {
    expect(checking(([one = '', other = '', ...rest]) => renumbered([other, one, ...rest]))).toThrow('line 1: frame');
  });

  it('finds a seq that was left out', () => {
    expect(checking((lines) => lines.map((line) => line.replace('"seq":5,', '"seq":6,')))).toThrow('line 5: not what');
  });

  it.each(['"role":"', '"content":"', '"level":"', '"time":"2', '"user_id":"'])('finds a change in %s', (key) => {
    expect(checking((lines) => lines.map((line, at) => (at === 6 ? line.replace(key, `${key}1`) : line)))).toThrow(
      'line 7',
    );
  });

  it('finds a line that is cut off', () => {
    const cut = stored(storedLines(plan)).map(({ id, segments }) => {
      return { id, segments: segments.map((read) => () => read().subarray(0, -2)) };
    });
    expect(() => checkStored(cut, [plan], logweirLine)).toThrow('in the middle of a line');
  });

  it('finds a session that nobody sent', () => {
    const more = [...stored(storedLines(plan)), { id: 'stranger', segments: [] }];
    expect(() => checkStored(more, [plan], logweirLine)).toThrow('stranger');
  });
});
