import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FirehoseBacklog } from '../../src/reading/firehose.js';
import { LiveHub } from '../../src/reading/live-hub.js';
import type { FirehoseEvent } from '../../src/reading/log-source.js';
import { seqs } from '../support/seqs.js';
import { LiveCore, seqsIn } from './live-core.js';
import { storedLine } from './log-dir-fixture.js';

const root = () => mkdtemp(join(tmpdir(), 'logweir-live-'));

function framesOf(session_id: string, count: number, filler = 100): { session_id: string; content: string }[] {
  return Array.from({ length: count }, (_, index) => ({ session_id, content: `${index} ${'.'.repeat(filler)}` }));
}

async function takeUntil(
  events: AsyncGenerator<FirehoseEvent, void>,
  lastSeqs: Readonly<Record<string, number>>,
  reachedBy: (event: FirehoseEvent) => number | null = () => null,
): Promise<FirehoseEvent[]> {
  const seen: FirehoseEvent[] = [];
  const due = new Map(Object.entries(lastSeqs));
  for await (const event of events) {
    seen.push(event);
    const reached = reachedBy(event) ?? (event.kind === 'lines' ? event.lines.lastSeq : event.lastSeq);
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

  it('end behind their last line, also for a consumer that reads them from the files', async () => {
    await using live = await LiveCore.open(await root());
    const fast = live.logs.watchAll({});
    const slow = live.logs.watchAll({});
    const begun = [fast.next(), slow.next()];
    await expect.poll(() => live.hub.listeners).toBe(2);
    await live.take(framesOf('a', 2));
    await Promise.all(begun);
    // Its end alone is missed, too.
    await live.complete('a');
    await live.take(framesOf('b', 30, 50_000));
    await live.take(framesOf('again', 3));
    await live.complete('b');
    await live.complete('again');
    // Opened again before anybody was told.
    await live.take(framesOf('again', 1));
    for (const events of [fast, slow]) {
      const seen = await takeUntil(events, { a: 2, b: 31, again: 4 }, (event) =>
        event.kind === 'end' && event.sessionId === 'b' ? 31 : null,
      );
      const ends = seen.filter(({ kind }) => kind === 'end');
      expect(ends.map(({ sessionId }) => sessionId).toSorted()).toEqual(['a', 'b']);
      expect(ends.find(({ sessionId }) => sessionId === 'b')).toEqual({
        kind: 'end',
        sessionId: 'b',
        lastSeq: 30,
        completion: { status: 'success', exitCode: 0, lastSeq: 30 },
      });
      const ofB = seen.filter(({ sessionId }) => sessionId === 'b');
      expect(seqsIn(ofB)).toEqual(seqs(1, 30));
      expect(ofB.at(-1)?.kind).toBe('end');
      expect(seqsIn(seen.filter(({ sessionId }) => sessionId === 'again'))).toEqual([1, 2, 3, 4]);
    }
  });

  it('end once for each time that they are completed, and not when lines above the end came before it', async () => {
    await using live = await LiveCore.open(await root());
    const events = live.logs.watchAll({});
    const first = events.next();
    await expect.poll(() => live.hub.listeners).toBe(1);
    await live.take(framesOf('a', 1));
    await first;
    await live.complete('a');
    expect((await events.next()).value).toMatchObject({ kind: 'end', lastSeq: 1 });
    await live.take(framesOf('a', 2));
    expect((await events.next()).value).toMatchObject({ kind: 'lines' });
    live.hub.completed('a', { status: 'late', exitCode: null, lastSeq: 2 });
    await live.complete('a');
    const rest = await takeUntil(events, { a: 4 }, (event) => (event.kind === 'end' ? event.lastSeq + 1 : null));
    expect(rest.flatMap((event) => (event.kind === 'end' ? [event.completion?.status] : []))).toEqual(['success']);
  });
});

describe('the backlog of a consumer', () => {
  it('is bounded in bytes, and past that two numbers and an end for a session', () => {
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
      a: { afterSeq: 4, throughSeq: 30, completion: null },
      b: { afterSeq: 94, throughSeq: 98, completion: null },
    });
    expect(backlog.next()).toBeNull();
    write('c', 1);
    expect(backlog.next()).toMatchObject({ sessionId: 'c', firstSeq: 1 });
  });
});
