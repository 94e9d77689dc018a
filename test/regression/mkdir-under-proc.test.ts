import { expect, test } from 'vitest';
import { nodeFiles } from '../../src/segment/node-files.js';
import { temporaryDirectory } from '../support/session-room.js';

// Node 20's recursive mkdir tried again for ever where the kernel answers ENOENT, and burned a core: `LOG_DIR=/proc/x`.
test('a directory that can not be made under /proc is refused at once', async () => {
  await expect(nodeFiles.makeDirectory('/proc/x/y')).rejects.toMatchObject({ code: 'ENOENT' });
});

test('missing parents are made, existing directories left alone', async () => {
  await using directory = await temporaryDirectory();
  expect(await nodeFiles.makeDirectory(`${directory.path}/a/b/c`)).toBe(true);
  expect(await nodeFiles.makeDirectory(`${directory.path}/a/b/c`)).toBe(false);
  await expect(nodeFiles.makeDirectory('/dev/null/x')).rejects.toMatchObject({ code: 'ENOTDIR' });
});
