import { expect, test } from 'vitest';
import { DirectorySyncer } from '../../src/segment/directory-syncer.js';
import type { Files } from '../../src/segment/files.js';
import { makingRoom } from '../../src/segment/making-room.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { temporaryDirectory } from '../support/session-room.js';

// The fsync of active/ found no descriptor and closed a file to make room; that file was new, so closing it waited for an
// fsync of active/, which came after the running one: both waited for ever. Found by the simulation.
test('an fsync that finds no descriptor left does not close a file whose closing waits for it', async () => {
  await using directory = await temporaryDirectory();
  let isFull = true;
  const few: Files = {
    ...nodeFiles,
    syncDirectory(path) {
      const error = Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
      return isFull ? Promise.reject(error) : nodeFiles.syncDirectory(path);
    },
  };
  const syncer: DirectorySyncer = new DirectorySyncer(
    makingRoom(few, async (named) => {
      if (!named) {
        await syncer.sync(directory.path);
      }
      return !named;
    }),
  );
  await expect(syncer.sync(directory.path)).rejects.toMatchObject({ code: 'EMFILE' });
  isFull = false;
  await syncer.sync(directory.path);
}, 5000);
