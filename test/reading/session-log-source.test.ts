import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { LiveHub } from '../../src/reading/live-hub.js';
import { SessionLogSource } from '../../src/reading/session-log-source.js';
import { SessionReader } from '../../src/reading/session-reader.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { seqs } from '../support/seqs.js';
import { collect, LiveCore, seqsIn } from './live-core.js';
import { LogDirFixture, storedLine } from './log-dir-fixture.js';

const frames = (count: number, session_id = 's', filler = 100) =>
  Array.from({ length: count }, (_, index) => ({ session_id, content: `${index} ${'.'.repeat(filler)}` }));
const root = () => mkdtemp(join(tmpdir(), 'logweir-live-'));
const NOTHING_HELD = { watchedSessions: 0, listeners: 0, heldBytes: 0, busy: 0 };

function held({ hub, reader }: LiveCore): object {
  const { watchedSessions, listeners, heldBytes } = hub;
  return { watchedSessions, listeners, heldBytes, busy: reader.places.busy };
}

async function openFiles(directory: string): Promise<string[]> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(directory));
}

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
    expect(held(live)).toEqual(NOTHING_HELD);
  });

  it('ends at once for whoever comes behind its completion, also beyond its end', async () => {
    await using live = await LiveCore.open(await root());
    await live.take(frames(5));
    const end = { kind: 'end', lastSeq: 5, completion: await live.complete('s') };
    for (const follow of [true, false]) {
      expect((await collect(live.logs.read('s', { follow }))).at(-1)).toEqual(end);
      expect(seqsIn(await collect(live.logs.read('s', { follow })))).toEqual(seqs(1, 5));
      expect(await collect(live.logs.read('s', { afterSeq: 5, follow }))).toEqual([end]);
      expect(await collect(live.logs.read('s', { afterSeq: 500, follow }))).toEqual([end]);
      expect(await collect(live.logs.read('s', { tail: 0, follow }))).toEqual([end]);
      expect(seqsIn(await collect(live.logs.read('s', { tail: 2, follow })))).toEqual([4, 5]);
    }
  });

  it('goes on when lines behind its completion have opened it again, until it is completed again', async () => {
    await using live = await LiveCore.open(await root());
    await live.take(frames(5));
    await live.complete('s');
    await live.take(frames(2));
    expect((await collect(live.logs.read('s', {}))).at(-1)).toEqual({ kind: 'end', lastSeq: 7, completion: null });
    const reading = collect(live.logs.read('s', { follow: true }));
    const beyond = collect(live.logs.read('s', { afterSeq: 500, follow: true }));
    await expect.poll(() => live.hub.watchedSessions).toBe(1);
    await live.take(frames(3));
    const completion = await live.complete('s');
    const events = await reading;
    expect(seqsIn(events)).toEqual(seqs(1, 10));
    expect(events.at(-1)).toEqual({ kind: 'end', lastSeq: 10, completion });
    expect(await beyond).toEqual([{ kind: 'end', lastSeq: 10, completion }]);
  });

  it('waits beyond its end for the lines above the cursor', async () => {
    await using live = await LiveCore.open(await root());
    await live.take(frames(5));
    const reading = collect(live.logs.read('s', { afterSeq: 8, follow: true }));
    await expect.poll(() => live.hub.watchedSessions).toBe(1);
    await live.take(frames(5));
    await live.complete('s');
    expect(seqsIn(await reading)).toEqual([9, 10]);
  });

  it('that nobody knows is an error, and holds nothing', async () => {
    await using live = await LiveCore.open(await root());
    for (const follow of [true, false]) {
      for (const from of [{}, { tail: 3 }, { afterSeq: 7 }]) {
        await expect(collect(live.logs.read('x', { ...from, follow }))).rejects.toMatchObject({
          code: 'UNKNOWN_SESSION',
        });
      }
    }
    expect(held(live)).toEqual(NOTHING_HELD);
  });

  it('holds nothing for a viewer that went away, whatever it was doing', async () => {
    await using live = await LiveCore.open(await root(), { maxSegmentBytes: 200_000 });
    await live.take(frames(3000));
    // While it waits for lines: the signal ends it, without an end.
    const leaving = new AbortController();
    const waiting = collect(live.logs.read('s', { tail: 0, follow: true, signal: leaving.signal }));
    const all = collect(live.logs.watchAll({ signal: leaving.signal }));
    await expect.poll(() => held(live)).toMatchObject({ watchedSessions: 1, listeners: 1, busy: 0 });
    leaving.abort();
    expect([await waiting, await all]).toEqual([[], []]);
    expect(held(live)).toEqual(NOTHING_HELD);
    // With a chunk in its hands, of a file or live; and before it began.
    const reading = live.logs.read('s', { follow: true });
    expect((await reading.next()).done).toBe(false);
    const following = live.logs.read('s', { afterSeq: 3000, follow: true });
    const first = following.next();
    await expect.poll(() => live.hub.watchedSessions).toBe(1);
    await live.take(frames(1));
    expect((await first).done).toBe(false);
    expect(live.hub.heldBytes).toBeGreaterThan(0);
    await Promise.all([reading.return(), following.return(), live.logs.read('s', { follow: true }).return()]);
    expect(held(live)).toEqual(NOTHING_HELD);
    // While it reads and inflates.
    await expect.poll(() => live.core.pipeline.queueLength, { timeout: 20_000 }).toBe(0);
    const inflating = new AbortController();
    const gone = collect(live.logs.read('s', { follow: true, signal: inflating.signal }));
    await expect.poll(() => live.reader.places.busy, { interval: 0 }).toBeGreaterThan(0);
    inflating.abort();
    expect((await gone).every(({ kind }) => kind === 'lines')).toBe(true);
    await expect.poll(() => held(live)).toEqual(NOTHING_HELD);
    await live.close();
    await expect.poll(() => openFiles(live.layout.root)).toEqual([]);
  });

  it('is given to 100 viewers, half of them stalled, line by line while it is written at full speed', async () => {
    await using live = await LiveCore.open(await root(), { maxSegmentBytes: 1 << 20 });
    await live.take(frames(10));
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let stalled = 0;
    const view = async (index: number): Promise<string> => {
      let next = 1;
      for await (const event of live.logs.read('s', { follow: true })) {
        if (event.kind === 'end') {
          return `${next - 1} lines`;
        }
        if (event.kind === 'gap') {
          throw new Error(`nothing is gone, not even ${event.firstSeq}-${event.lastSeq}`);
        }
        for (const seq of seqsIn([event])) {
          if (seq !== next++) {
            return `seq ${seq} where ${next - 1} is due`;
          }
        }
        if (index % 2 === 1 && next > 20 + index) {
          stalled++;
          await released;
        } else {
          await setImmediate();
        }
      }
      return 'no end';
    };
    const viewers = seqs(0, 99).map(view);
    await expect.poll(() => live.hub.watchedSessions).toBe(1);
    // Of each session more than a viewer is held for.
    for (let batch = 0; batch < 40; batch++) {
      await live.take(frames(1000));
    }
    expect(live.hub.heldBytes).toBeLessThanOrEqual(1 << 20);
    const completion = await live.complete('s');
    await expect.poll(() => stalled, { timeout: 20_000 }).toBe(50);
    release();
    expect(completion.lastSeq).toBe(40_010);
    expect(new Set(await Promise.all(viewers))).toEqual(new Set(['40010 lines']));
    expect(held(live)).toEqual(NOTHING_HELD);
  }, 60_000);

  it('shares a chunk and what is made of it among all who are up to date', async () => {
    await using live = await LiveCore.open(await root());
    await live.take(frames(1));
    const first = async () => {
      for await (const event of live.logs.read('s', { afterSeq: 1, follow: true })) {
        return event.kind === 'lines' ? event.lines : null;
      }
      return null;
    };
    const viewers = seqs(1, 20).map(first);
    await expect.poll(() => live.reader.places.busy).toBe(0);
    await expect.poll(() => live.hub.watchedSessions).toBe(1);
    await live.take(frames(1));
    const seen = await Promise.all(viewers);
    expect(new Set(seen).size).toBe(1);
    let encodings = 0;
    const encode = () => ++encodings;
    expect(seen.map((lines) => lines?.as(encode))).toEqual(seen.map(() => 1));
  });

  it('lets nothing pass that its filter does not, and still ends', async () => {
    await using live = await LiveCore.open(await root());
    await live.take(frames(5));
    await live.take(frames(1, 's', 3));
    const filter = {
      select: (lines: { bytes: Buffer }) => Promise.resolve(lines.bytes.includes(' ..."') ? (lines as never) : null),
    };
    await live.complete('s');
    const events = await collect(live.logs.read('s', { follow: true, filter }));
    expect(events.at(-1)).toMatchObject({ kind: 'end', lastSeq: 6 });
    const nothing = { select: () => null };
    expect(await collect(live.logs.read('s', { follow: true, filter: nothing }))).toEqual([events.at(-1)]);
  });
});

describe('lines that were written, and that a failed sync took out of the file again', () => {
  it('are waited for, not told as gone', async () => {
    await using fixture = await LogDirFixture.create();
    const all = seqs(1, 40).map((seq) => storedLine('s', seq, '.'.repeat(60_000)));
    await fixture.writeActive('s', Buffer.concat(all.slice(0, 3)));
    const hub = new LiveHub();
    const logs = new SessionLogSource({
      reader: new SessionReader(nodeFiles, fixture.layout),
      hub,
      completionOf: () => Promise.resolve(null),
      settled: () => fixture.writeActive('s', Buffer.concat(all)),
    });
    const reading = logs.read('s', { follow: true });
    await reading.next();
    for (const line of all.slice(3)) {
      hub.written('s', line, 0, line.length);
    }
    // More than the hub holds: the file has to have it.
    expect(hub.heldBytes).toBeLessThanOrEqual(1 << 20);
    const events = await collect(reading, (seen) => seqsIn(seen).at(-1) === 40);
    expect(events.every(({ kind }) => kind === 'lines')).toBe(true);
    expect(seqsIn(events).at(0)).toBeLessThanOrEqual(4);
    expect(seqsIn(events)).toEqual(seqs(seqsIn(events)[0] ?? 0, 40));
  });
});

function sourceOver({ layout }: LogDirFixture): SessionLogSource {
  return new SessionLogSource({
    reader: new SessionReader(nodeFiles, layout),
    hub: new LiveHub(),
    completionOf: () => Promise.resolve(null),
    settled: () => Promise.resolve(),
  });
}

describe('what is gone', () => {
  const remove = (fixture: LogDirFixture, name: RegExp) =>
    readdir(join(fixture.layout.sessions, 's')).then((names) =>
      Promise.all(names.filter((one) => name.test(one)).map((one) => rm(join(fixture.layout.sessions, 's', one)))),
    );

  it('is told where its manifest is left', async () => {
    await using fixture = await LogDirFixture.create();
    for (const first of [1, 11, 21]) {
      await fixture.writeSealed('s', seqs(first, first + 9), 'finished-gzip');
    }
    await remove(fixture, /^0*1[1]?-.*gz$/);
    const logs = sourceOver(fixture);
    const events = await collect(logs.read('s', { afterSeq: 4 }));
    expect(events.filter(({ kind }) => kind === 'gap')).toEqual([
      { kind: 'gap', firstSeq: 5, lastSeq: 10 },
      { kind: 'gap', firstSeq: 11, lastSeq: 20 },
    ]);
    expect(seqsIn(events)).toEqual(seqs(21, 30));
    await remove(fixture, /gz$/);
    expect(await collect(logs.read('s', { afterSeq: 24 }))).toEqual([
      { kind: 'gap', firstSeq: 25, lastSeq: 30 },
      { kind: 'end', lastSeq: 30, completion: null },
    ]);
  });

  it('is told where its segment lies in quarantine, also behind the last line', async () => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeSealed('s', seqs(1, 10), 'finished-gzip');
    await fixture.writeSealed('s', seqs(31, 40), 'finished-gzip');
    await mkdir(fixture.layout.quarantine);
    for (const name of [
      's_0000000000000015-0000000000000020_20261121T100000Z.log.gz',
      's_0000000000000041-0000000000000044_20261121T100000Z.log.9-90.00000000',
      'other_0000000000000021-0000000000000030_20261121T100000Z.log',
    ]) {
      await writeFile(join(fixture.layout.quarantine, name), '');
    }
    const logs = sourceOver(fixture);
    const events = await collect(logs.read('s', {}));
    expect(events.filter(({ kind }) => kind !== 'lines')).toEqual([
      { kind: 'gap', firstSeq: 15, lastSeq: 20 },
      { kind: 'gap', firstSeq: 41, lastSeq: 44 },
      { kind: 'end', lastSeq: 44, completion: null },
    ]);
  });

  it('is told by the chain of manifests, and numbers that agents left out are not', async () => {
    await using live = await LiveCore.open(await root());
    for (const first of [101, 201, 301, 401]) {
      await live.take([first, first + 5].map((seq) => ({ session_id: 's', seq, content: `${seq}` })));
      live.seal('s');
      await expect.poll(() => live.core.pipeline.queueLength, { timeout: 20_000 }).toBe(0);
      await expect
        .poll(() => readdir(join(live.layout.sessions, 's')).catch(() => []))
        .toHaveLength((2 * (first - 1)) / 100);
    }
    expect((await collect(live.logs.read('s', {}))).map(({ kind }) => kind)).toEqual([
      'lines',
      'lines',
      'lines',
      'lines',
      'end',
    ]);
    const names = (await readdir(join(live.layout.sessions, 's'))).toSorted();
    for (const name of names.slice(0, 2).concat(names.slice(4, 6))) {
      await rm(join(live.layout.sessions, 's', name));
    }
    const events = await collect(live.logs.read('s', { afterSeq: 50 }));
    expect(seqsIn(events)).toEqual([201, 206, 401, 406]);
    expect(events.map((event) => (event.kind === 'gap' ? [event.firstSeq, event.lastSeq] : event.kind))).toEqual([
      [51, 200],
      'lines',
      [207, 400],
      'lines',
      'end',
    ]);
  });

  it('is told when it vanishes between two chunks of a reader', async () => {
    await using fixture = await LogDirFixture.create();
    await fixture.writeSealed('s', seqs(1, 10), 'finished-gzip', 4);
    await fixture.writeSealed('s', seqs(11, 20), 'finished-gzip');
    await fixture.writeActive('s', storedLine('s', 21));
    const logs = sourceOver(fixture);
    const reading = logs.read('s', {});
    expect(seqsIn([(await reading.next()).value as never])).toEqual(seqs(1, 4));
    await remove(fixture, /./);
    const events = await collect(reading);
    expect(events[0]).toEqual({ kind: 'gap', firstSeq: 5, lastSeq: 20 });
    expect(seqsIn(events)).toEqual([21]);
  });
});
