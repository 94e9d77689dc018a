import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Files } from '../../src/segment/files.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { encodeFrame } from '../support/frames.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';

type Operation = 'write' | 'datasync' | 'open' | 'rename' | 'syncDirectory' | 'truncate';

/** The real disk, whose operations fail while `failing` names them. `short` makes writes take a part of what they are given. */
function failingDisk(): {
  files: Files;
  failing: Map<Operation, string>;
  once: Set<Operation>;
  short: { bytes: number };
} {
  const failing = new Map<Operation, string>();
  const short = { bytes: Number.POSITIVE_INFINITY };
  const once = new Set<Operation>();
  const check = (operation: Operation): void => {
    const code = failing.get(operation);
    if (once.delete(operation)) {
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    }
    if (code !== undefined) {
      throw Object.assign(new Error(code), { code });
    }
  };
  const files: Files = {
    ...nodeFiles,
    async open(path, mode) {
      check('open');
      const file = await nodeFiles.open(path, mode);
      return {
        read: (...args) => file.read(...args),
        size: () => file.size(),
        close: () => file.close(),
        write(buffer, offset, length, position) {
          const taken = Math.min(length, short.bytes);
          if (taken === 0) {
            check('write');
          }
          short.bytes -= taken;
          return file.write(buffer, offset, taken, position);
        },
        async truncate(length) {
          check('truncate');
          await file.truncate(length);
        },
        async datasync() {
          check('datasync');
          await file.datasync();
        },
      };
    },
    async rename(from, to) {
      check('rename');
      await nodeFiles.rename(from, to);
    },
    async syncDirectory(path) {
      check('syncDirectory');
      await nodeFiles.syncDirectory(path);
    },
  };
  return { files, failing, once, short };
}

const contents = async (path: string): Promise<unknown[]> =>
  (await readFile(path, 'utf8'))
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { content: string }).content);

describe('a full disk', () => {
  test('shortens a write: nobody is told that the frames are stored, and they are stored once when there is room again', async () => {
    await using directory = await temporaryDirectory();
    const disk = failingDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    await room.take({ session_id: 's', content: 'before' });
    disk.short.bytes = 10;
    disk.failing.set('write', 'ENOSPC');
    await expect(room.take({ session_id: 's', content: 'during' })).rejects.toMatchObject({
      code: 'DISK_FULL',
      errno: 'ENOSPC',
    });
    expect(room.sessions.storageError).toMatchObject({ code: 'DISK_FULL' });
    disk.short.bytes = Number.POSITIVE_INFINITY;
    await room.take({ session_id: 's', content: 'after' });
    expect(room.sessions.storageError).toBeNull();
    expect(await contents(join(room.layout.active, 's.logtmp'))).toEqual(['before', 'during', 'after']);
  });

  test('harms no other session', async () => {
    await using directory = await temporaryDirectory();
    const disk = failingDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    await room.take({ session_id: 'other', content: '1' });
    disk.failing.set('open', 'EMFILE');
    await expect(room.take({ session_id: 's', content: 'x' })).rejects.toMatchObject({ code: 'TOO_MANY_FILES' });
    await room.take({ session_id: 'other', content: '2' });
    disk.failing.clear();
    await expect.poll(() => room.sessions.storageError).toBeNull();
    expect(await contents(join(room.layout.active, 's.logtmp'))).toEqual(['x']);
  });
});

describe('a failed fdatasync', () => {
  test('is never repeated on its descriptor: the segment ends with what was durable, the rest is written again, nobody notices', async () => {
    await using directory = await temporaryDirectory();
    const disk = failingDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    await room.take({ session_id: 's', content: 'durable', producer_id: 'p', producer_seq: 1 });
    const early = room.sessions.newIntake();
    const frame = encodeFrame({ session_id: 's', content: 'early', producer_id: 'p', producer_seq: 2 });
    await early.take(frame, 0, frame.length);
    disk.once.add('datasync');
    await room.take({ session_id: 's', content: 'during' });
    expect(room.failures).toEqual(['EIO']);
    await early.settle();
    expect(
      room.sealed.map(({ reason, summary }) => [reason, summary.firstSeq, summary.lastSeq, summary.frames]),
    ).toEqual([['recovery', 1, 1, 1]]);
    expect([...(room.sealed[0]?.summary.producers ?? [])]).toEqual([['p', 1]]);
    expect(await contents(room.sealed[0]?.rawPath ?? '')).toEqual(['durable']);
    expect(await contents(join(room.layout.active, 's.logtmp'))).toEqual(['early', 'during']);
    room.sessions.registry.get('s')?.cut('age');
    await expect.poll(() => room.sealed[1]?.summary).toMatchObject({ firstSeq: 2, lastSeq: 3, frames: 2 });
  });

  test('whose segment can not be ended either is tried again with pauses, not in a hot loop', async () => {
    await using directory = await temporaryDirectory();
    const disk = failingDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    await room.take({ session_id: 's', content: 'durable' });
    disk.once.add('datasync');
    disk.failing.set('truncate', 'EIO');
    await expect(room.take({ session_id: 's', content: 'during' })).rejects.toMatchObject({ errno: 'EIO' });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(room.failures.length).toBeLessThan(8);
    disk.failing.clear();
    await room.take({ session_id: 's', content: 'after' });
    expect(await contents(join(room.layout.active, 's.logtmp'))).toEqual(['during', 'after']);
  });

  test('that goes on failing is reported, and nothing is lost when the disk comes back', async () => {
    await using directory = await temporaryDirectory();
    const disk = failingDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    await room.take({ session_id: 's', content: 'durable' });
    disk.failing.set('datasync', 'EIO');
    await expect(room.take({ session_id: 's', content: 'during' })).rejects.toMatchObject({
      errno: 'EIO',
      code: 'DISK_FAILED',
    });
    expect(room.sessions.storageError).toMatchObject({ errno: 'EIO' });
    disk.failing.clear();
    await room.take({ session_id: 's', content: 'after' });
    expect(room.sessions.storageError).toBeNull();
    expect(room.sealed.map(({ reason }) => reason)).toEqual(['recovery']);
    expect(await contents(join(room.layout.active, 's.logtmp'))).toEqual(['during', 'after']);
  });
});

describe('a seal that fails half-way', () => {
  test.each(['rename', 'syncDirectory', 'datasync', 'open'] as const)(
    'at %s goes on later under the same name',
    async (operation) => {
      await using directory = await temporaryDirectory();
      const disk = failingDisk();
      const room = await openSessionRoom(directory.path, { files: disk.files });
      await room.take({ session_id: 's', content: 'a' });
      disk.failing.set(operation, 'EIO');
      room.sessions.registry.get('s')?.cut('age');
      // Nothing to open or to sync again is no failure.
      const harmless = operation === 'open' || operation === 'datasync';
      await expect.poll(() => (harmless ? room.sealed.length : room.failures.length)).toBeGreaterThan(0);
      disk.failing.clear();
      await expect.poll(() => room.sealed.length).toBe(1);
      await room.take({ session_id: 's', content: 'b' });
      expect(room.sealed[0]).toMatchObject({ reason: 'age', summary: { firstSeq: 1, lastSeq: 1 } });
      expect(await contents(room.sealed[0]?.rawPath ?? '')).toEqual(['a']);
      expect(await contents(join(room.layout.active, 's.logtmp'))).toEqual(['b']);
    },
  );
});

describe('shutting down', () => {
  test('says which sessions could not be written', async () => {
    await using directory = await temporaryDirectory();
    const disk = failingDisk();
    const room = await openSessionRoom(directory.path, { files: disk.files });
    await room.take({ session_id: 'fine', content: '1' });
    disk.failing.set('open', 'EIO');
    const intake = room.sessions.newIntake();
    const frame = encodeFrame({ session_id: 'stuck', content: 'x' });
    await intake.take(frame, 0, frame.length);
    const failed = await room.sessions.registry.drain();
    expect(failed).toMatchObject([{ sessionId: 'stuck', error: { errno: 'EIO' } }]);
    expect(await contents(join(room.layout.active, 'fine.logtmp'))).toEqual(['1']);
  });
});
