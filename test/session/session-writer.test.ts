import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../src/segment/clock.js';
import { encodeFrame } from '../support/frames.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';

interface Stored {
  seq: number;
  content?: string;
}

async function linesOf(path: string): Promise<Stored[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Stored);
}

function fakeClock(): Clock & { advance(ms: number): void } {
  let monotonic = 1000;
  const ticks = new Set<() => void>();
  return {
    monotonicMs: () => monotonic,
    wallMs: () => Date.UTC(2026, 10, 21, 10) + monotonic,
    every(_intervalMs, run) {
      ticks.add(run);
      return () => ticks.delete(run);
    },
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    soon: systemClock.soon,
    advance(ms) {
      monotonic += ms;
      for (const run of ticks) {
        run();
      }
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadline) {
      throw new Error('the condition did not come true within 5 s');
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('numbering', () => {
  test('frames without a seq get the next one, and a client seq is stored as it is', async () => {
    await using directory = await temporaryDirectory();
    const { take, layout } = await openSessionRoom(directory.path);
    await take({ session_id: 's', content: 'a' });
    await take({ session_id: 's', content: 'b' });
    await take({ session_id: 's', content: 'c', seq: 10 });
    await take({ session_id: 's', content: 'd' });
    const lines = await linesOf(join(layout.active, 's.logtmp'));
    expect(lines.map(({ seq, content }) => [seq, content])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [10, 'c'],
      [11, 'd'],
    ]);
  });

  test('a client seq that was reached before is a duplicate: dropped and counted', async () => {
    await using directory = await temporaryDirectory();
    const { take, layout, counts } = await openSessionRoom(directory.path);
    await take({ session_id: 's', content: 'a', seq: 5 });
    await take({ session_id: 's', content: 'a', seq: 5 });
    await take({ session_id: 's', content: 'b', seq: 6 });
    expect((await linesOf(join(layout.active, 's.logtmp'))).map(({ seq }) => seq)).toEqual([5, 6]);
    expect(counts).toMatchObject({ framesReceived: 3, framesDuplicate: 1, framesWritten: 2 });
  });

  test('a producer that repeats itself stores nothing twice, and two producers do not disturb each other', async () => {
    await using directory = await temporaryDirectory();
    const { take, layout } = await openSessionRoom(directory.path);
    for (const [producer_id, producer_seq] of [
      ['a', 1],
      ['b', 1],
      ['a', 2],
      ['a', 1],
      ['a', 2],
      ['b', 2],
      ['b', 1],
    ] as const) {
      await take({ session_id: 's', content: `${producer_id}${producer_seq}`, producer_id, producer_seq });
    }
    const lines = await linesOf(join(layout.active, 's.logtmp'));
    expect(lines.map(({ content }) => content)).toEqual(['a1', 'b1', 'a2', 'b2']);
  });

  test('producer marks survive a restart in the active segment, and a seal in the segment that is sealed', async () => {
    await using directory = await temporaryDirectory();
    const first = await openSessionRoom(directory.path, { maxBytes: 150 });
    await first.take({ session_id: 's', content: 'a1', producer_id: 'a', producer_seq: 1 });
    await first.take({ session_id: 's', content: 'b7', producer_id: 'b', producer_seq: 7 });
    await first.take({ session_id: 's', content: 'a2', producer_id: 'a', producer_seq: 2 });
    await first.sessions.registry.drain();
    expect(first.sealed.map(({ summary }) => Object.fromEntries(summary.producers))).toEqual([
      { a: 1 },
      { a: 1, b: 7 },
    ]);

    const second = await openSessionRoom(directory.path, { maxBytes: 150 });
    await second.take({ session_id: 's', content: 'a2', producer_id: 'a', producer_seq: 2 });
    await second.take({ session_id: 's', content: 'b7', producer_id: 'b', producer_seq: 7 });
    expect(second.counts).toMatchObject({ framesReceived: 2, framesDuplicate: 2 });
  });

  test('the last possible number is stored, and after it none is assigned any more', async () => {
    await using directory = await temporaryDirectory();
    const { take } = await openSessionRoom(directory.path);
    await take({ session_id: 's', seq: Number.MAX_SAFE_INTEGER });
    await expect(take({ session_id: 's' })).rejects.toThrow('seq can not be assigned');
  });

  test('frames of one session over many streams at once form one sequence', async () => {
    await using directory = await temporaryDirectory();
    const { sessions, layout } = await openSessionRoom(directory.path, { maxBytes: 4000 });
    const streams = Array.from({ length: 8 }, () => sessions.newIntake());
    await Promise.all(
      streams.map(async (intake, stream) => {
        for (let index = 0; index < 200; index++) {
          const frame = encodeFrame({ session_id: 's', content: `${stream}:${index}` });
          expect(await intake.take(frame, 0, frame.length)).toBeNull();
          if (index % 50 === 0) {
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
      }),
    );
    const ranges = await Promise.all(streams.map((intake) => intake.settle()));
    await sessions.registry.drain();
    const sealing = join(layout.sealing, 's');
    const files = [
      ...(await readdir(sealing)).toSorted().map((name) => join(sealing, name)),
      join(layout.active, 's.logtmp'),
    ];
    const lines = (await Promise.all(files.map(linesOf))).flat();
    expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 1600 }, (_, index) => index + 1));
    for (const stream of streams.keys()) {
      const own = lines.filter(({ content }) => content?.startsWith(`${stream}:`)).map(({ content }) => content);
      expect(own).toEqual(Array.from({ length: 200 }, (_, index) => `${stream}:${index}`));
    }
    expect(Math.max(...ranges.flat().map(({ lastSeq }) => lastSeq))).toBe(1600);
  });
});

describe('rotation', () => {
  test('a segment never passes LOG_MAX_SIZE_BYTES unless one line alone does', async () => {
    await using directory = await temporaryDirectory();
    const { sessions, sealed, layout } = await openSessionRoom(directory.path, { maxBytes: 500 });
    const intake = sessions.newIntake();
    for (let index = 0; index < 100; index++) {
      const frame = encodeFrame({ session_id: 's', content: 'x'.repeat(index === 50 ? 2000 : index) });
      await intake.take(frame, 0, frame.length);
    }
    await intake.settle();
    expect(sealed.length).toBeGreaterThan(10);
    for (const { summary, rawPath } of sealed) {
      const lines = await linesOf(rawPath);
      expect(lines.length).toBe(summary.frames);
      expect([lines[0]?.seq, lines.at(-1)?.seq]).toEqual([summary.firstSeq, summary.lastSeq]);
      expect((await readFile(rawPath)).length).toBe(summary.bytes);
      expect(summary.bytes <= 500 || summary.frames === 1).toBe(true);
    }
    const seqs = sealed.flatMap(({ summary }) =>
      Array.from({ length: summary.frames }, (_, index) => summary.firstSeq + index),
    );
    const active = await linesOf(join(layout.active, 's.logtmp'));
    expect([...seqs, ...active.map(({ seq }) => seq)]).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  test('age ends a segment without traffic, and the next frame starts a new one', async () => {
    await using directory = await temporaryDirectory();
    const clock = fakeClock();
    const { sessions, sealed, take } = await openSessionRoom(directory.path, { clock, maxAgeMs: 60_000 });
    sessions.start();
    await take({ session_id: 's', content: 'a' });
    clock.advance(59_000);
    expect(sealed).toEqual([]);
    clock.advance(1000);
    await until(() => sealed.length === 1);
    expect(sealed[0]).toMatchObject({ reason: 'age', summary: { firstSeq: 1, lastSeq: 1, frames: 1 } });
    await take({ session_id: 's', content: 'b' });
    clock.advance(60_000);
    await until(() => sealed.length === 2);
    expect(sealed[1]).toMatchObject({ reason: 'age', summary: { firstSeq: 2, lastSeq: 2 } });
  });

  test('an idle session is sealed, gives back its descriptor and memory, and goes on where it was', async () => {
    await using directory = await temporaryDirectory();
    const clock = fakeClock();
    const { sessions, sealed, take } = await openSessionRoom(directory.path, { clock, idleMs: 10_000 });
    sessions.start();
    await take({ session_id: 's', content: 'a' });
    expect([sessions.registry.size, sessions.openFiles]).toEqual([1, 1]);
    clock.advance(0);
    clock.advance(10_000);
    await until(() => sealed.length === 1);
    clock.advance(10_000);
    await until(() => sessions.registry.size === 0);
    expect(sessions.openFiles).toBe(0);
    expect(sealed[0]?.reason).toBe('idle');
    await take({ session_id: 's', content: 'b' });
    expect(sessions.registry.get('s')?.lastSeq).toBe(2);
  });

  test('a stream that holds a forgotten session finds it again', async () => {
    await using directory = await temporaryDirectory();
    const clock = fakeClock();
    const { sessions } = await openSessionRoom(directory.path, { clock, idleMs: 10_000 });
    sessions.start();
    const intake = sessions.newIntake();
    const frame = encodeFrame({ session_id: 's', content: 'a' });
    await intake.take(frame, 0, frame.length);
    await intake.settle();
    clock.advance(0);
    for (let tries = 0; sessions.registry.size > 0 && tries < 100; tries++) {
      clock.advance(10_000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(sessions.registry.size).toBe(0);
    await intake.take(frame, 0, frame.length);
    expect(await intake.settle()).toEqual([{ sessionId: 's', firstSeq: 1, lastSeq: 2 }]);
  });
});

describe('descriptors', () => {
  test('more sessions than LOG_MAX_OPEN_FILES: least recently used files are closed, none lost, none sealed', async () => {
    await using directory = await temporaryDirectory();
    const { sessions, sealed, layout } = await openSessionRoom(directory.path, { maxOpenFiles: 16 });
    const intake = sessions.newIntake();
    for (let round = 0; round < 3; round++) {
      for (let session = 0; session < 200; session++) {
        const frame = encodeFrame({ session_id: `s${session}`, content: `${round}` });
        await intake.take(frame, 0, frame.length);
      }
    }
    await intake.settle();
    expect(sessions.openFiles).toBeLessThanOrEqual(16);
    expect(sealed).toEqual([]);
    for (let session = 0; session < 200; session++) {
      const lines = await linesOf(join(layout.active, `s${session}.logtmp`));
      expect(lines.map(({ seq, content }) => [seq, content])).toEqual([
        [1, '0'],
        [2, '1'],
        [3, '2'],
      ]);
    }
  });
});

describe('admission', () => {
  test('a session over its budget makes its stream wait until the lines are written', async () => {
    await using directory = await temporaryDirectory();
    const { sessions } = await openSessionRoom(directory.path, { maxSessionQueueBytes: 1000 });
    const intake = sessions.newIntake();
    const frame = encodeFrame({ session_id: 's', content: 'x'.repeat(600) });
    await intake.take(frame, 0, frame.length);
    expect(intake.pressure()).toBeNull();
    await intake.take(frame, 0, frame.length);
    const pressure = intake.pressure();
    expect(pressure).toBeInstanceOf(Promise);
    await pressure;
    expect(sessions.queueBytes).toBeLessThanOrEqual(1000);
  });

  test('the whole process over its budget makes every stream wait', async () => {
    await using directory = await temporaryDirectory();
    const { sessions } = await openSessionRoom(directory.path, { maxQueueBytes: 2000 });
    const intakes = Array.from({ length: 4 }, () => sessions.newIntake());
    for (const [index, intake] of intakes.entries()) {
      const frame = encodeFrame({ session_id: `s${index}`, content: 'x'.repeat(600) });
      await intake.take(frame, 0, frame.length);
      await intake.take(frame, 0, frame.length);
    }
    const last = intakes.at(-1)?.pressure();
    expect(last).toBeInstanceOf(Promise);
    await last;
    expect(sessions.queueBytes).toBeLessThanOrEqual(2000);
  });
});
