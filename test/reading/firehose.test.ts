import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FirehoseBacklog } from '../../src/reading/firehose.js';
import { LiveHub } from '../../src/reading/live-hub.js';
import type { FirehoseEvent } from '../../src/reading/log-source.js';
import { LiveCore, seqsIn } from './live-core.js';
import { storedLine } from './log-dir-fixture.js';

const seqs = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const root = () => mkdtemp(join(tmpdir(), 'logweir-live-'));

function framesOf(session_id: string, count: number, filler = 100): { session_id: string; content: string }[] {
  return Array.from({ length: count }, (_, index) => ({ session_id, content: `${index} ${'.'.repeat(filler)}` }));
}

async function takeUntil(
  events: AsyncGenerator<FirehoseEvent, void>,
  lastSeqs: Readonly<Record<string, number>>,
): Promise<FirehoseEvent[]> {
  const seen: FirehoseEvent[] = [];
  const due = new Map(Object.entries(lastSeqs));
  for await (const event of events) {
    seen.push(event);
    const reached = event.kind === 'lines' ? event.lines.lastSeq : event.lastSeq;
    if (due.get(event.sessionId) === reached) {
      due.delete(event.sessionId);
    }
    if (due.size === 0) {
      break;
    }
  }
  return seen;
}

describe('all sessions at once', () => {
  it('come from now on, in order within each, also to a consumer that stood still', async () => {
    await using live = await LiveCore.open(await root(), { maxSegmentBytes: 200_000 });
    await live.take(framesOf('a', 10));
    const fast = takeUntil(live.logs.watchAll({}), { a: 2_020, b: 2_010, c: 1 });
    const slow = live.logs.watchAll({});
    const first = slow.next();
    await expect.poll(() => live.hub.listeners).toBe(2);
    await live.take(framesOf('a', 10));
    await live.take(framesOf('b', 10));
    expect((await first).value).toMatchObject({ kind: 'lines', sessionId: 'a' });
    // More than is held for it.
    for (let round = 0; round < 20; round++) {
      await live.take(framesOf('a', 100, 1000));
      await live.take(framesOf('b', 100, 1000));
    }
    await live.take(framesOf('c', 1));
    const behind = [(await first).value as FirehoseEvent, ...(await takeUntil(slow, { a: 2_020, b: 2_010, c: 1 }))];
    for (const seen of [await fast, behind]) {
      expect(seqsIn(seen.filter(({ sessionId }) => sessionId === 'a'))).toEqual(seqs(11, 2_020));
      expect(seqsIn(seen.filter(({ sessionId }) => sessionId === 'b'))).toEqual(seqs(1, 2_010));
      expect(seqsIn(seen.filter(({ sessionId }) => sessionId === 'c'))).toEqual([1]);
      expect(seen.every(({ kind }) => kind === 'lines')).toBe(true);
    }
    expect([live.hub.listeners, live.reader.places.busy]).toEqual([0, 0]);
  }, 60_000);

  it('are a gap where what was missed is gone', async () => {
    await using live = await LiveCore.open(await root(), { maxSegmentBytes: 1 << 30 });
    const slow = live.logs.watchAll({});
    const first = slow.next();
    await expect.poll(() => live.hub.listeners).toBe(1);
    await live.take(framesOf('a', 1));
    await first;
    await live.take(framesOf('b', 30, 50_000));
    await rm(join(live.layout.active, 'b.logtmp'));
    const seen = await takeUntil(slow, { b: 30 });
    expect(seen).toEqual([{ kind: 'gap', sessionId: 'b', firstSeq: 1, lastSeq: 30 }]);
  });
});

describe('the backlog of a consumer', () => {
  it('is bounded in bytes, and past that two numbers for a session', () => {
    const backlog = new FirehoseBacklog(10_000);
    const hub = new LiveHub();
    hub.listen(backlog);
    const write = (session: string, seq: number): void => {
      const line = storedLine(session, seq, '.'.repeat(900));
      hub.written(session, line, 0, line.length);
    };
    for (const seq of seqs(5, 8)) {
      write('a', seq);
      write('b', seq + 90);
    }
    expect(backlog.missed.size).toBe(0);
    for (const seq of seqs(9, 30)) {
      write('a', seq);
    }
    expect(Object.fromEntries(backlog.missed)).toEqual({
      a: { afterSeq: 4, throughSeq: 30 },
      b: { afterSeq: 94, throughSeq: 98 },
    });
    expect(backlog.next()).toBeNull();
    write('c', 1);
    expect(backlog.next()).toMatchObject({ sessionId: 'c', firstSeq: 1 });
  });
});
