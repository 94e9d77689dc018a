import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { Files } from '../../src/segment/files.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';

// After a failed fdatasync the kernel holds the pages clean and goes on showing them. A process that was killed then left lines
// that recovery read, synced (for nothing) and vouched for; a power cut took them after a repeat was acknowledged.
// Found by the simulation.
test('what recovery finds in an active file is written again, byte for byte, before it is synced', async () => {
  await using directory = await temporaryDirectory();
  const lines = [1, 2].map((seq) => `${JSON.stringify({ seq, time: 't', session_id: 's' })}\n`).join('');
  const active = `${directory.path}/active/s.logtmp`;
  await mkdir(`${directory.path}/active`);
  await writeFile(active, `${lines}torn`);
  const calls: string[] = [];
  const files: Files = {
    ...nodeFiles,
    async open(path, mode) {
      const file = await nodeFiles.open(path, mode);
      return path !== active || mode === 'read'
        ? file
        : {
            read: (...args) => file.read(...args),
            size: () => file.size(),
            close: () => file.close(),
            truncate: (length) => file.truncate(length),
            write(buffer, offset, length, position) {
              calls.push(`write ${position} ${Buffer.from(buffer.subarray(offset, offset + length)).toString()}`);
              return file.write(buffer, offset, length, position);
            },
            datasync() {
              calls.push('datasync');
              return file.datasync();
            },
          };
    },
  };
  await openSessionRoom(directory.path, { files });
  expect(calls.slice(-2)).toEqual([`write 0 ${lines}`, 'datasync']);
  expect(await readFile(active, 'utf8')).toBe(lines);
});
