import { expect, test } from 'vitest';
import { layoutOf } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { prepareDirectories } from '../../src/segment/prepare-directories.js';
import { scriptedDisk } from '../support/scripted-disk.js';
import { temporaryDirectory } from '../support/session-room.js';

// LOG_DIR was synced, but not the directory that names it: a power cut could take it with everything that was acknowledged.
test('what names LOG_DIR is synced before anything is made in it', async () => {
  await using directory = await temporaryDirectory();
  const disk = scriptedDisk();
  const files = {
    ...disk.files,
    makeDirectory(path: string) {
      disk.calls.push(`makeDirectory ${path}`);
      return nodeFiles.makeDirectory(path);
    },
  };
  const root = `${directory.path}/deep/logs`;
  await prepareDirectories(files, layoutOf(root));
  expect(disk.calls.map((call) => call.replace(directory.path, ''))).toEqual([
    `syncDirectory ${directory.path.slice(0, directory.path.lastIndexOf('/'))}`,
    'makeDirectory /deep',
    'syncDirectory ',
    'makeDirectory /deep/logs',
    'syncDirectory /deep',
    ...['active', 'sealing', 'sessions', 'outbox', 'quarantine'].map((room) => `makeDirectory /deep/logs/${room}`),
    'syncDirectory /deep/logs',
  ]);
});

test('a LOG_DIR that is there may have been made by a process that died before its sync', async () => {
  await using directory = await temporaryDirectory();
  const disk = scriptedDisk();
  await prepareDirectories(disk.files, layoutOf(directory.path));
  const parent = directory.path.slice(0, directory.path.lastIndexOf('/'));
  expect(disk.calls).toEqual([`syncDirectory ${parent}`, `syncDirectory ${directory.path}`]);
});

test('a parent that may not be read does not stop the start', async () => {
  await using directory = await temporaryDirectory();
  const disk = scriptedDisk();
  disk.failing.set(`syncDirectory:${directory.path.slice(0, directory.path.lastIndexOf('/'))}`, 'EACCES');
  await prepareDirectories(disk.files, layoutOf(directory.path));
  disk.failing.set(`syncDirectory:${directory.path.slice(0, directory.path.lastIndexOf('/'))}`, 'EIO');
  await expect(prepareDirectories(disk.files, layoutOf(directory.path))).rejects.toMatchObject({ code: 'EIO' });
});
