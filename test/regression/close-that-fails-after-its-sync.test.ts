import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { encodeFrame } from '../support/frames.js';
import { scriptedDisk } from '../support/scripted-disk.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

// A file that was closed to make room was synced, and then close(2) failed: the segment held its lines as durable, the queue
// did not, and wrote them a second time once a later sync failed. Found by the simulation.
test('a line is stored once when closing its file fails after the sync, and the next sync fails too', async () => {
  await using directory = await temporaryDirectory();
  const disk = scriptedDisk();
  const room = await openSessionRoom(directory.path, { files: disk.files, maxOpenFiles: 1 });
  const intake = room.sessions.newIntake();
  const send = async (content: string): Promise<void> => {
    const frame = encodeFrame({ session_id: 'a', content });
    await intake.take(frame, 0, frame.length);
  };
  await send('first');
  await expect.poll(() => readFile(`${room.layout.active}/a.logtmp`, 'utf8').catch(() => '')).toContain('first');

  disk.failing.set('close:a.logtmp', 'EIO');
  disk.atNextFailure(() => disk.failing.clear());
  await room.take({ session_id: 'b', content: 'makes room' });
  expect(disk.failing.size).toBe(0);

  disk.failing.set('datasync:a.logtmp', 'EIO');
  disk.atNextFailure(() => disk.failing.clear());
  await send('second');
  await intake.settle();
  await room.sessions.registry.drain();
  expect((await storedLines(directory.path, 'a')).map(({ seq, content }) => [seq, content])).toEqual([
    [1, 'first'],
    [2, 'second'],
  ]);
  expect(room.sessions.queueBytes).toBe(0);
});
