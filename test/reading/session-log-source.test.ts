import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { collect, LiveCore, seqsIn } from './live-core.js';

const seqs = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const frames = (count: number, session_id = 's') =>
  Array.from({ length: count }, (_, index) => ({ session_id, content: `${index} ${'.'.repeat(100)}` }));
const root = () => mkdtemp(join(tmpdir(), 'logweir-live-'));

describe('a session that is followed', () => {
  it('gives what is stored, then what is written, then the end', async () => {
    await using live = await LiveCore.open(await root(), { maxSegmentBytes: 5000 });
    await live.take(frames(200));
    const reading = collect(live.logs.read('s', { afterSeq: 10, follow: true }));
    await expect.poll(() => live.hub.watchedSessions).toBe(1);
    await live.take(frames(100));
    await live.take(frames(100));
    const completion = await live.complete('s');
    const events = await reading;
    expect(seqsIn(events)).toEqual(seqs(11, 400));
    expect(events.filter(({ kind }) => kind !== 'lines')).toEqual([{ kind: 'end', lastSeq: 400, completion }]);
    expect([live.hub.watchedSessions, live.hub.heldBytes, live.reader.places.busy]).toEqual([0, 0, 0]);
  });
});
