import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { layoutOf } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { Recovery } from '../../src/segment/recovery.js';
import { encodeFrame } from '../support/frames.js';
import { scriptedDisk } from '../support/scripted-disk.js';
import { openSessionRoom, type SessionRoom, temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const within = (promise: Promise<unknown>, ms: number): Promise<string> =>
  Promise.race([
    promise.then(
      () => 'resolved',
      (error: Error) => `rejected: ${error.message}`,
    ),
    sleep(ms).then(() => 'still waiting'),
  ]);

/** Takes a frame and waits for nothing. */
async function take(room: SessionRoom, session: string, content: string) {
  const intake = room.sessions.newIntake();
  const frame = encodeFrame({ session_id: session, content });
  await intake.take(frame, 0, frame.length);
  return intake;
}

const stored = async (root: string, session = 's'): Promise<string[]> =>
  (await storedLines(root, session)).map(({ seq, content }) => `${seq}:${content}`);

describe('an acknowledgement', () => {
  test('of a retry does not come before its original is durable', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    disk.failing.set('datasync', 'EIO');
    const frame = { session_id: 's', content: 'x', producer_id: 'p', producer_seq: 1 };
    await expect(room.take(frame)).rejects.toMatchObject({ errno: 'EIO' });
    expect(await within(room.take(frame), 50)).not.toBe('resolved');
    disk.failing.clear();
    await room.take(frame);
  });

  test('of a duplicate of what a killed process wrote comes after a sync of it and of its name', async () => {
    await using directory = await temporaryDirectory();
    const killed = await openSessionRoom(directory.path, { fsync: 'never' });
    const frame = { session_id: 's', content: 'x', producer_id: 'p', producer_seq: 1 };
    await killed.take(frame);
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    await room.take(frame);
    expect(room.counts.framesDuplicate).toBe(1);
    expect(disk.calls).toContain(`datasync ${room.layout.active}/s.logtmp`);
    expect(disk.calls).toContain(`syncDirectory ${room.layout.active}`);
  });

  test('is not given by a second sync when fdatasync and close both failed', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    disk.failing.set('datasync', 'EIO').set('close', 'EIO');
    disk.atNextFailure(() => setTimeout(() => disk.failing.clear(), 20));
    await room.take({ session_id: 's', content: 'x' }).catch(() => undefined);
    await (await take(room, 's', 'y')).settle();
    const lastSync = disk.calls.findLastIndex((call) => call.startsWith('datasync'));
    const lastWrite = disk.calls.findLastIndex((call) => call.startsWith('write'));
    expect(disk.calls.slice(0, lastSync).filter((call) => call.startsWith('write')).length).toBeGreaterThan(1);
    expect(lastWrite).toBeLessThan(lastSync);
    expect(await stored(directory.path)).toEqual(['1:x', '2:y']);
  });
});

describe('a failed fdatasync', () => {
  test('after the least recently used file was closed stores no line twice', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files, maxOpenFiles: 1 });
    await take(room, 's', 'a');
    await sleep(30);
    await room.take({ session_id: 'other', content: 'closes s' });
    disk.failing.set('datasync:/s.logtmp', 'EIO');
    disk.atNextFailure(() => disk.failing.clear());
    await room.take({ session_id: 's', content: 'b' });
    expect(room.failures).toEqual(['EIO']);
    expect(await stored(directory.path)).toEqual(['1:a', '2:b']);
    await room.sessions.registry.drain();
    const again = await openSessionRoom(directory.path);
    await again.take({ session_id: 's', content: 'c' });
    expect(await stored(directory.path)).toEqual(['1:a', '2:b', '3:c']);
  });

  test('after an fsync of the directory failed stores no line twice', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    disk.failing.set('syncDirectory', 'EIO');
    await room.take({ session_id: 's', content: 'a' }).catch(() => undefined);
    disk.failing.clear();
    disk.failing.set('datasync', 'EIO');
    disk.atNextFailure(() => disk.failing.clear());
    await room.take({ session_id: 's', content: 'b' });
    expect(await stored(directory.path)).toEqual(['1:a', '2:b']);
  });

  test('followed by another failure is told to who waits, and tried again with pauses', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    await room.take({ session_id: 's', content: 'a' });
    disk.failing.set('datasync', 'ENOSPC');
    disk.atNextFailure(() => {
      disk.failing.clear();
      disk.failing.set('rename', 'ENOSPC').set('open', 'ENOSPC');
    });
    expect(await within(room.take({ session_id: 's', content: 'b' }), 1000)).toBe('rejected: the disk is full');
    await sleep(500);
    expect(room.failures.length).toBeLessThan(10);
    expect(room.sessions.storageError).toMatchObject({ code: 'DISK_FULL' });
    expect(await room.sessions.registry.drain()).toMatchObject([{ sessionId: 's', error: { code: 'DISK_FULL' } }]);
    disk.failing.clear();
    await expect.poll(() => stored(directory.path).catch(() => [])).toEqual(['1:a', '2:b']);
  });

  test('with LOG_FSYNC=never takes nothing away that was acknowledged', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files, fsync: 'never' });
    await room.take({ session_id: 's', content: 'a' });
    await room.take({ session_id: 's', content: 'b' });
    disk.failing.set('datasync', 'EIO');
    room.sessions.registry.get('s')?.cut('age');
    await expect.poll(() => room.sealed.length).toBe(1);
    expect(room.failures).toEqual(['EIO']);
    expect(await stored(directory.path)).toEqual(['1:a', '2:b']);
  });

  test('while draining is reported', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    await take(room, 's', 'a');
    await sleep(30);
    disk.failing.set('datasync', 'EIO');
    expect(await room.sessions.registry.drain()).toMatchObject([{ sessionId: 's', error: { errno: 'EIO' } }]);
    disk.failing.clear();
  });
});

describe('a seal', () => {
  test('whose fsync of sealing/ failed once syncs it when it is tried again', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    await room.take({ session_id: 's', content: 'a' });
    disk.failing.set('syncDirectory:/sealing', 'EIO');
    room.sessions.registry.get('s')?.cut('age');
    await expect.poll(() => room.failures.length).toBeGreaterThan(0);
    disk.failing.clear();
    disk.calls.length = 0;
    await expect.poll(() => room.sealed.length).toBe(1);
    expect(disk.calls).toContain(`syncDirectory ${room.layout.sealing}`);
  });
});

describe('a budget', () => {
  test('that is used up makes a stream of the failing session hear of the disk', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files, maxSessionQueueBytes: 10_000 });
    disk.failing.set('write', 'ENOSPC');
    const intake = await take(room, 's', 'x'.repeat(20_000));
    expect(await within(intake.pressure() ?? Promise.resolve(), 3000)).toBe('rejected: the disk is full');
    disk.failing.clear();
  });

  test('that stays used up refuses further streams before they add anything', { timeout: 20_000 }, async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files, maxQueueBytes: 10_000 });
    disk.failing.set('write', 'ENOSPC');
    await take(room, 's', 'x'.repeat(20_000));
    expect(await within(room.sessions.newIntake().pressure() ?? Promise.resolve(), 8000)).toBe(
      'rejected: too many bytes wait to be stored',
    );
    disk.failing.clear();
  });

  test('that a stuck session holds most of lets the others go on', async () => {
    await using directory = await temporaryDirectory();
    const disk = scriptedDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files, maxQueueBytes: 100_000 });
    disk.failing.set('write:/stuck.logtmp', 'EIO');
    await take(room, 'stuck', 'x'.repeat(80_000));
    const healthy = await take(room, 'healthy', 'x'.repeat(30_000));
    expect(await within(healthy.pressure() ?? Promise.resolve(), 2000)).toBe('resolved');
    disk.failing.clear();
  });

  test('counts what small unsynced batches really hold', async () => {
    await using directory = await temporaryDirectory();
    const room = await openSessionRoom(directory.path);
    const intakes = await Promise.all(Array.from({ length: 200 }, (_, session) => take(room, `s${session}`, 'hello')));
    await sleep(100);
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 30; round++) {
      for (const [session, intake] of intakes.entries()) {
        const frame = encodeFrame({ session_id: `s${session}`, content: 'hello' });
        await intake.take(frame, 0, frame.length);
      }
      await sleep(10);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * room.sessions.queueBytes + 5_000_000);
    await room.sessions.registry.drain();
  });
});

test('time to durable is not counted from before a close that made lines durable', async () => {
  await using directory = await temporaryDirectory();
  const observed: number[] = [];
  const room = await openSessionRoom(directory.path, {
    maxOpenFiles: 1,
    onDurable: (seconds) => observed.push(seconds),
  });
  await take(room, 's', 'x');
  await sleep(50);
  await room.take({ session_id: 'other', content: 'closes s' });
  await sleep(1000);
  observed.length = 0;
  await room.take({ session_id: 's', content: 'y' });
  expect(Math.max(...observed)).toBeLessThan(0.9);
});

describe('quarantine', () => {
  test('keeps every file, also of sessions whose long names end alike', async () => {
    await using directory = await temporaryDirectory();
    const layout = layoutOf(directory.path);
    for (const room of [layout.active, layout.sealing, layout.sessions, layout.outbox, layout.quarantine]) {
      await mkdir(room);
    }
    for (let tenant = 0; tenant < 10; tenant++) {
      await writeFile(join(layout.active, `tenant${tenant}-${'t'.repeat(150)}.logtmp`), `garbage of ${tenant}\n`);
    }
    await new Recovery(nodeFiles, layout, () => undefined).run();
    const names = await readdir(layout.quarantine);
    const kept = await Promise.all(names.map((name) => readFile(join(layout.quarantine, name), 'utf8')));
    expect(kept.toSorted()).toEqual(Array.from({ length: 10 }, (_, tenant) => `garbage of ${tenant}\n`));
  });

  test('of one session does not count for another whose long name ends alike', async () => {
    await using directory = await temporaryDirectory();
    const tail = 't'.repeat(150);
    const room = await openSessionRoom(directory.path);
    await room.take({ session_id: `tenant2-${tail}`, content: 'acknowledged' });
    await room.sessions.registry.drain();
    await writeFile(
      join(room.layout.quarantine, `${tail}_0000000000000001-0000000000000900_20260101T000000Z.log`),
      'x',
    );
    const again = await openSessionRoom(directory.path);
    expect(await readdir(again.layout.active)).toHaveLength(1);
  });

  test('uses up the numbers of lines that were cut off a sealed segment', async () => {
    await using directory = await temporaryDirectory();
    const room = await openSessionRoom(directory.path);
    for (const content of ['a', 'b', 'c']) {
      await room.take({ session_id: 's', content });
    }
    room.sessions.registry.get('s')?.cut('age');
    await expect.poll(() => room.sealed.length).toBe(1);
    const path = room.sealed[0]?.rawPath ?? '';
    await writeFile(path, (await readFile(path, 'utf8')).replace('"content":"b"', '"content":b"'));
    const again = await openSessionRoom(directory.path);
    await again.take({ session_id: 's', content: 'new' });
    expect(await stored(directory.path)).toEqual(['1:a', '4:new']);
  });
});
