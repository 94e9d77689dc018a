import { describe, expect, it } from 'vitest';
import { LiveHub, type Watch } from '../../src/reading/live-hub.js';
import type { LogLines } from '../../src/reading/log-events.js';
import { storedLine } from './log-dir-fixture.js';

function write(hub: LiveHub, session: string, seqs: readonly number[], fillerBytes = 100): void {
  // Behind something else, as in a buffer of the session room, which goes back to it.
  const lines = Buffer.concat(
    ['xx\n', ...seqs.map((seq) => storedLine(session, seq, '.'.repeat(fillerBytes)))].map((one) => Buffer.from(one)),
  );
  hub.written(session, lines, 3, lines.length);
  lines.fill(0);
}

function ranges(watch: Watch, afterSeq: number): unknown[] {
  const taken: unknown[] = [];
  for (let cursor = afterSeq; ; ) {
    const lines = watch.take(cursor);
    if (lines === null || lines === 'behind') {
      return [...taken, lines];
    }
    taken.push([lines.firstSeq, lines.lastSeq]);
    expect(lines.bytes.toString().split('\n').at(-1)).toBe('');
    expect(JSON.parse(lines.bytes.toString().split('\n')[0] ?? '')).toMatchObject({ seq: lines.firstSeq });
    cursor = lines.lastSeq;
  }
}

describe('the live hub', () => {
  it('gives lines behind the line they follow, whatever numbers were left out, and else says that the cursor is behind', () => {
    const hub = new LiveHub();
    using watch = hub.watch('s');
    expect(watch.take(0)).toBeNull();
    write(hub, 's', [7, 9], 20_000);
    write(hub, 's', [20, 30], 20_000);
    expect(ranges(watch, 6)).toEqual([[7, 9], [20, 30], null]);
    expect(ranges(watch, 7)).toEqual([[9, 9], [20, 30], null]);
    // Agents left 10 to 19 out: who has 9 has everything, and who is told 15 as its cursor has, too.
    expect(ranges(watch, 15)).toEqual([[20, 30], null]);
    expect(ranges(watch, 5)).toEqual(['behind']);
    expect(ranges(watch, 30)).toEqual([null]);
    expect(ranges(watch, 999)).toEqual([null]);
  });

  it('copies nothing for a session that nobody watches, and keeps nothing when the last watcher has gone', () => {
    const hub = new LiveHub();
    write(hub, 's', [1]);
    const [one, other] = [hub.watch('s'), hub.watch('s')];
    write(hub, 'another', [1]);
    expect([hub.heldBytes, hub.watchedSessions]).toEqual([0, 1]);
    write(hub, 's', [2]);
    expect(hub.heldBytes).toBeGreaterThan(0);
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    expect([hub.watchedSessions, hub.heldBytes > 0]).toEqual([1, true]);
    other[Symbol.dispose]();
    expect([hub.watchedSessions, hub.heldBytes]).toEqual([0, 0]);
  });

  it('keeps the newest lines, bounded for a session and for all of them', () => {
    const hub = new LiveHub(3 << 20);
    const watches = ['a', 'b', 'c', 'd', 'e', 'f'].map((session) => ({ session, watch: hub.watch(session) }));
    for (let seq = 1; seq <= 40; seq++) {
      for (const { session, watch } of watches) {
        write(hub, session, [seq], 60_000);
        watch.take(seq);
      }
      expect(hub.heldBytes).toBeLessThanOrEqual(3 << 20);
    }
    for (const { watch } of watches) {
      expect(watch.take(0)).toBe('behind');
      // None of them starves.
      expect(watch.take(37)).toMatchObject({ firstSeq: 38 });
      watch[Symbol.dispose]();
    }
    using lonely = hub.watch('a');
    for (let seq = 1; seq <= 40; seq++) {
      write(hub, 'a', [seq], 60_000);
      lonely.take(seq);
    }
    expect(hub.heldBytes).toBeLessThanOrEqual(1 << 20);
    expect(hub.heldBytes).toBeGreaterThan(900_000);
    expect(lonely.take(20)).toBe('behind');
    expect(ranges(lonely, 35).at(-1)).toBeNull();
  });

  it('counts what doors make of the lines, for as long as it holds them', () => {
    const hub = new LiveHub(1 << 20);
    const watches = ['a', 'b'].map((session) => hub.watch(session));
    for (const session of ['a', 'b']) {
      for (let seq = 1; seq <= 4; seq++) {
        write(hub, session, [seq], 100_000);
      }
    }
    const written = hub.heldBytes;
    expect(written).toBeGreaterThan(800_000);
    const doubled = ({ bytes }: LogLines): Buffer => Buffer.alloc(2 * bytes.length);
    const counted = (): number => 1;
    const [first, other] = watches.map((watch) => watch.take(3) as LogLines);
    first?.as(counted);
    expect(hub.heldBytes).toBe(written);
    first?.as(doubled);
    first?.as(doubled);
    expect(hub.heldBytes).toBe(written + 2 * (first?.bytes.length ?? 0));
    // What there is no room for beside it goes.
    other?.as(doubled);
    expect(hub.heldBytes).toBeGreaterThan((1 << 20) - 101_000);
    expect(hub.heldBytes).toBeLessThanOrEqual(1 << 20);
    expect(watches.map((watch) => watch.take(0))).toEqual(['behind', 'behind']);

    for (const watch of watches) {
      watch[Symbol.dispose]();
    }
    expect(hub.heldBytes).toBe(0);
    first?.as(({ bytes }) => Buffer.from(bytes));
    expect(hub.heldBytes).toBe(0);
  });

  it('holds nothing for watchers who have not looked for a megabyte, and goes on behind the right line once one does', () => {
    const hub = new LiveHub();
    using watch = hub.watch('s');
    const content = 'x'.repeat(100_000);
    let seq = 0;
    const writeNext = (): void => {
      const line = Buffer.from(`{"seq":${++seq},"content":"${content}"}\n`);
      hub.written('s', line, 0, line.length);
    };
    for (let written = 0; written < 30; written++) {
      writeNext();
    }
    expect([hub.heldBytes, watch.lastSeq]).toEqual([0, 30]);
    // One who has read the file up to line 29 goes back to it, and is live behind line 30.
    expect(watch.take(29)).toBe('behind');
    writeNext();
    expect(watch.take(29)).toBe('behind');
    const lines = watch.take(30);
    expect(lines === null || lines === 'behind' ? lines : [lines.firstSeq, lines.lastSeq]).toEqual([31, 31]);
    expect(hub.heldBytes).toBeGreaterThan(100_000);
  });

  it('joins small writes for whoever is behind, and gives the same chunk to all who come to it', () => {
    const hub = new LiveHub();
    using watch = hub.watch('s');
    for (let seq = 1; seq <= 300; seq++) {
      write(hub, 's', [seq]);
    }
    const joined = watch.take(0);
    expect(joined).toMatchObject({ firstSeq: 1 });
    expect(watch.take(0)).toBe(joined);
    expect(ranges(watch, 0).length).toBeLessThan(10);
    expect(ranges(watch, 150)[0]).toEqual([151, expect.any(Number)]);
    expect(ranges(watch, 0).at(-2)).toEqual([expect.any(Number), 300]);
  });

  it('cuts a large write into chunks at line ends', () => {
    const hub = new LiveHub();
    using watch = hub.watch('s');
    write(
      hub,
      's',
      Array.from({ length: 60 }, (_, index) => index + 1),
      10_000,
    );
    const taken = ranges(watch, 0);
    expect(taken.length).toBeGreaterThan(4);
    expect(taken.at(-2)).toEqual([expect.any(Number), 60]);
  });
});
