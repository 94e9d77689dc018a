import { execFileSync } from 'node:child_process';
import { symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SMALL_FILE_BYTES_MAX } from '../../src/segment/files.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { temporaryDirectory } from '../support/session-room.js';

describe('a small file', () => {
  it('is read whole, however many pieces it takes', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'file');
    for (const length of [0, 1, 65_536, 200_001]) {
      const bytes = Buffer.alloc(length, 'abc');
      await writeFile(path, bytes);
      expect((await nodeFiles.readFile(path)).equals(bytes)).toBe(true);
    }
  });

  it('is not read through a symbolic link', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, 'target'), '{}');
    await symlink('target', join(directory.path, 'link'));
    await expect(nodeFiles.readFile(join(directory.path, 'link'))).rejects.toMatchObject({ code: 'ELOOP' });
  });

  it('is not read past the limit, whatever its size', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'huge');
    await writeFile(path, '');
    await truncate(path, SMALL_FILE_BYTES_MAX);
    expect((await nodeFiles.readFile(path)).length).toBe(SMALL_FILE_BYTES_MAX);
    await truncate(path, 1 << 30);
    const before = process.memoryUsage().rss;
    await expect(nodeFiles.readFile(path)).rejects.toMatchObject({ code: 'EFBIG' });
    expect(process.memoryUsage().rss - before).toBeLessThan(3 * SMALL_FILE_BYTES_MAX);
  });

  it('is no pipe: opening one for reading waits for nobody', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'pipe');
    execFileSync('mkfifo', [path]);
    await expect(nodeFiles.readFile(path)).rejects.toMatchObject({ code: 'ESPIPE' });
    await (await nodeFiles.open(path, 'read')).close();
  });
});
