import { appendFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { SessionReader } from '../../src/reading/session-reader.js';
import { systemClock } from '../../src/segment/clock.js';
import { LookupFailed } from '../../src/session/conflict.js';
import { WINDOW_FRAMES } from '../../src/session/frame-window.js';
import { CURSORS_MAX, StoredLookups } from '../../src/session/stored-lookups.js';
import { encodeFrame, type FrameFields } from '../support/frames.js';
import { scriptedDisk } from '../support/scripted-disk.js';
import { openSessionRoom, type SessionRoom, temporaryDirectory } from '../support/session-room.js';
import { verdict, verdicts } from '../support/verdicts.js';

const time = { seconds: 1_763_719_200, nanos: 123_456_789 };
const ANOTHER = 'taken from another';

describe('lookups', () => {
  test('find lines that are encoded and not written yet', async () => {
    await using directory = await temporaryDirectory();
    const room = await openSessionRoom(directory.path);
    const intake = room.sessions.newIntake();
    await verdict(intake, { session_id: 's', content: 'first' });
    const frames = Array.from({ length: WINDOW_FRAMES + 10 }, (_, index) => ({
      session_id: 's',
      seq: index + 2,
      content: `${index}`,
    }));
    for (const frame of frames) {
      const bytes = encodeFrame(frame);
      expect(intake.take(bytes, 0, bytes.length)).toBeNull();
    }
    expect(room.counts.framesWritten).toBe(0);
    // The first ones have left the window; none of these is on disk when it is asked for.
    const asked = frames.slice(0, 3).map((frame) => encodeFrame(frame));
    const first = asked[0] ?? Buffer.alloc(0);
    const result = intake.take(first, 0, first.length);
    expect(result).toBeInstanceOf(Promise);
    expect(await result).toBeNull();
    expect(intake.duplicates).toBe(1);
    expect(await verdict(intake, { session_id: 's', seq: 3, content: 'x' })).toBe(ANOTHER);
    await intake.settle();
  });

  test('go through sealed and active segments, and gaps between them', async () => {
    await using directory = await temporaryDirectory();
    const room = await openSessionRoom(directory.path, { maxBytes: 300 });
    const frames = Array.from({ length: 60 }, (_, index) => ({
      session_id: 's',
      seq: 1000 + index * 7,
      content: `frame ${index}`,
    }));
    await verdicts(room, frames);
    expect(room.sealed.length).toBeGreaterThan(10);
    await room.sessions.registry.drain();
    const second = await openSessionRoom(directory.path, { maxBytes: 300 });
    expect(new Set(await verdicts(second, frames))).toEqual(new Set(['duplicate']));
    // Backwards, too, and each with something wrong.
    const wrong = frames.toReversed().map((frame) => ({ ...frame, content: 'other' }));
    expect(new Set(await verdicts(second, wrong))).toEqual(new Set([ANOTHER]));
    const between = frames.map((frame) => ({ ...frame, seq: frame.seq - 3 }));
    expect(new Set(await verdicts(second, between))).toEqual(new Set(['passed']));
  });

  test('of 50,000 frames that are sent again read each segment once', async () => {
    await using directory = await temporaryDirectory();
    const frames = Array.from({ length: 50_000 }, (_, index) => ({
      session_id: 's',
      seq: index + 1,
      content: `frame ${index} ${'x'.repeat(60)}`,
    }));
    const first = await openSessionRoom(directory.path, { maxBytes: 1_000_000 });
    await verdicts(first, frames);
    await first.sessions.registry.drain();
    expect(first.sealed.length).toBeGreaterThan(5);

    const disk = scriptedDisk();
    const second = await openSessionRoom(directory.path, { maxBytes: 1_000_000, files: disk.files });
    disk.calls.length = 0;
    const intake = second.sessions.newIntake();
    let waits = 0;
    for (const frame of frames) {
      const bytes = encodeFrame(frame);
      const result = intake.take(bytes, 0, bytes.length);
      waits += result instanceof Promise ? 1 : 0;
      expect(await result).toBeNull();
    }
    await intake.settle();
    expect(intake).toMatchObject({ received: 50_000, duplicates: 50_000, written: 0 });
    const opened = disk.calls.filter((call) => call.startsWith('open '));
    expect(new Set(opened).size).toBe(first.sealed.length + 1);
    expect(opened.length).toBeLessThan(await passOpens(second));
    // A chunk of about 128 KiB answers for the lines in it.
    expect(waits).toBeLessThan(200);
    await second.sessions.registry.drain();
    expect(disk.calls.filter((call) => call.startsWith('close ')).length).toBe(opened.length);
  });

  test('of two streams that send the same frames again at once do not disturb each other', async () => {
    await using directory = await temporaryDirectory();
    const frames = Array.from({ length: 20_000 }, (_, index) => ({
      session_id: 's',
      seq: index + 1,
      content: `frame ${index} ${'x'.repeat(60)}`,
    }));
    const first = await openSessionRoom(directory.path, { maxBytes: 1_000_000 });
    await verdicts(first, frames);
    await first.sessions.registry.drain();
    const disk = scriptedDisk();
    const second = await openSessionRoom(directory.path, { maxBytes: 1_000_000, files: disk.files });
    disk.calls.length = 0;
    const [one, other] = [second.sessions.newIntake(), second.sessions.newIntake()];
    const ahead = 7000;
    for (const [index, frame] of frames.entries()) {
      expect(await verdict(one, frame)).toBe('duplicate');
      const far = frames[(index + ahead) % frames.length] ?? frame;
      expect(await verdict(other, { ...far, content: 'other' })).toBe(ANOTHER);
    }
    // Two passes, one of them in two parts, of the segments and the active file.
    const opened = disk.calls.filter((call) => call.startsWith('open '));
    expect(opened.length).toBeLessThan(3 * (await passOpens(second)));
    await second.sessions.registry.drain();
  });

  test('of many sessions at once hold no descriptors and a bounded number of cursors, and idle sessions none', async () => {
    await using directory = await temporaryDirectory();
    const sessions = Array.from({ length: 100 }, (_, index) => `s${index}`);
    const frames = [1, 2, 3].flatMap((seq) => sessions.map((session_id) => ({ session_id, seq, content: `${seq}` })));
    const first = await openSessionRoom(directory.path);
    await verdicts(first, frames);
    await first.sessions.registry.drain();
    const disk = scriptedDisk();
    const second = await openSessionRoom(directory.path, { files: disk.files });
    disk.calls.length = 0;
    const count = (operation: string): number => disk.calls.filter((call) => call.startsWith(`${operation} `)).length;
    const intake = second.sessions.newIntake();
    for (const frame of frames) {
      expect(await verdict(intake, frame)).toBe('duplicate');
      expect(count('open') - count('close')).toBe(0);
    }
    expect(count('open')).toBeGreaterThan(0);
    await second.sessions.registry.drain();

    let reading = 0;
    let skippedMs = 0;
    const clock = { ...systemClock, monotonicMs: () => performance.now() + skippedMs };
    const lookups = new StoredLookups(async function* (sessionId, afterSeq) {
      reading++;
      try {
        yield* new SessionReader(disk.files, second.layout).linesIfAny(sessionId, afterSeq);
      } finally {
        reading--;
      }
    }, clock);
    for (const session of sessions) {
      const cursor = await lookups.open(session, { afterSeq: 0, throughSeq: 3, expectedSeq: 0 });
      await cursor.read();
      expect(cursor.find(2)?.toString()).toContain('"content":"2"');
      expect(lookups.openCursors).toBeLessThanOrEqual(CURSORS_MAX);
    }
    expect([lookups.openCursors, reading]).toEqual([CURSORS_MAX, CURSORS_MAX]);
    skippedMs = 60_000;
    lookups.sweep(clock.monotonicMs());
    await vi.waitFor(() => expect([lookups.openCursors, reading]).toEqual([0, 0]));
  });

  test('that meet a damaged segment or a disk that fails say so, and take nothing for a duplicate or a conflict', async () => {
    await using directory = await temporaryDirectory();
    const room = await openSessionRoom(directory.path);
    await verdicts(
      room,
      [1, 2, 3, 4].map((seq) => ({ session_id: 's', seq, content: `${seq}` })),
    );
    const path = join(room.layout.active, 's.logtmp');
    const whole = await readFile(path, 'utf8');
    await room.sessions.registry.drain();

    const disk = scriptedDisk();
    const second = await openSessionRoom(directory.path, { files: disk.files });
    const again = { session_id: 's', seq: 2, content: '2' };
    const intake = second.sessions.newIntake();
    disk.failing.set('open:s.logtmp', 'EIO');
    await expect(verdict(intake, again)).rejects.toMatchObject({ name: 'LookupFailed', byDisk: true });
    disk.failing.clear();
    // Behind the reader's back: lines that recovery saw are gone, or are no lines any more.
    for (const damaged of [whole.slice(0, 20), whole.replace('{"seq":2', '{"sEq":2'), '']) {
      await writeFile(path, damaged);
      await expect(verdict(intake, again)).rejects.toBeInstanceOf(LookupFailed);
    }
    await rm(path);
    await expect(verdict(intake, again)).rejects.toBeInstanceOf(LookupFailed);
    await writeFile(path, whole.replace('{"seq":3', '{"seq":x'));
    expect(await verdict(intake, again)).toBe('duplicate');
    await expect(verdict(intake, { ...again, seq: 3 })).rejects.toBeInstanceOf(LookupFailed);
    await writeFile(path, whole);
    expect(await verdict(intake, again)).toBe('duplicate');
    expect(intake).toMatchObject({ received: 2, duplicates: 2 });
  });

  test('wait for the disk, and fail as it does, when the line is still on its way', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    const intake = room.sessions.newIntake();
    await verdict(intake, { session_id: 's', content: 'a' });
    await intake.settle();
    disk.failing.set('write', 'ENOSPC');
    await verdict(intake, { session_id: 's', content: 'b' });
    await expect(verdict(intake, { session_id: 's', seq: 2, content: 'b' })).rejects.toMatchObject({
      code: 'DISK_FULL',
    });
    // What is in the files already can be told all the same.
    disk.failing.clear();
    await intake.settle();
    expect(await verdict(intake, { session_id: 's', seq: 2, content: 'b' })).toBe('duplicate');
  });

  test('a number that ended in quarantine is used: a frame under it is a conflict', async () => {
    await using directory = await temporaryDirectory();
    const first = await openSessionRoom(directory.path, { maxBytes: 200 });
    await verdicts(
      first,
      [1, 2, 3, 4].map((seq) => ({ session_id: 's', seq, content: 'x'.repeat(60) })),
    );
    await first.sessions.registry.drain();
    const { sealing, quarantine } = first.layout;
    for (const name of await readdir(join(sealing, 's'))) {
      await writeFile(join(sealing, 's', name), 'no line\n');
    }
    await rm(join(first.layout.active, 's.logtmp'), { force: true });
    const second = await openSessionRoom(directory.path, { maxBytes: 200 });
    expect((await readdir(quarantine)).length).toBeGreaterThan(0);
    const last = first.sealed.at(-1)?.summary.lastSeq ?? 0;
    expect(await verdicts(second, [{ session_id: 's', seq: last, content: 'x'.repeat(60) }])).toEqual(['passed']);
    expect(await verdicts(second, [{ session_id: 's', seq: last + 1, content: 'y' }])).toEqual(['taken']);
  });

  test('lines that came behind an open cursor are found', async () => {
    await using directory = await temporaryDirectory();
    const room = await openSessionRoom(directory.path, { maxBytes: 600 });
    const line = (seq: number): FrameFields => ({ session_id: 's', seq, content: `${seq}`, time });
    const intake = room.sessions.newIntake();
    for (let seq = 1; seq <= 100; seq++) {
      await verdict(intake, line(seq));
      await intake.settle();
      // Without a time the hash is another one: each of these is looked up.
      const { time: _time, ...bare } = line(seq);
      expect(await verdict(intake, bare)).toBe('duplicate');
      expect(await verdict(intake, { ...bare, content: 'x' })).toBe(ANOTHER);
    }
    expect(room.sealed.length).toBeGreaterThan(5);
  });
});

test('garbage behind the last whole line does not disturb a lookup', async () => {
  await using directory = await temporaryDirectory();
  const room = await openSessionRoom(directory.path);
  await verdicts(room, [{ session_id: 's', content: 'a' }]);
  await appendFile(join(room.layout.active, 's.logtmp'), '{"seq":2,"ti');
  expect(await verdicts(room, [{ session_id: 's', seq: 1, content: 'a' }])).toEqual(['duplicate']);
});

/** Opens of one pass through all lines of a room: of each file one for its size and one for each chunk. */
async function passOpens(room: SessionRoom): Promise<number> {
  let opens = 0;
  for (const directory of [room.layout.active, join(room.layout.sealing, 's')]) {
    for (const name of await readdir(directory)) {
      opens += 4 + Math.ceil((await stat(join(directory, name))).size / 120_000);
    }
  }
  return opens;
}
