import { dirname } from 'node:path';
import type { Files, OpenFile } from './files.js';
import { TEMPORARY_SUFFIX } from './layout.js';

/**
 * Writes a small file (a manifest, an outbox record) so that after a crash or a power cut at any instruction its name
 * holds either all of `content` or what was there before.
 *
 * Order: temporary file → write → fdatasync → close → rename → fsync of the directory.
 * A temporary file that a crash left behind is replaced.
 *
 * @throws the NodeJS.ErrnoException of the step that failed; calling again starts over with a fresh descriptor.
 */
export async function writeFileDurably(files: Files, path: string, content: Uint8Array): Promise<void> {
  const temporary = path + TEMPORARY_SUFFIX;
  await files.remove(temporary);
  const file = await files.open(temporary, 'create');
  try {
    await writeAll(file, content);
    await file.datasync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(dirname(path));
}

async function writeAll(file: OpenFile, content: Uint8Array): Promise<void> {
  let written = 0;
  while (written < content.length) {
    const count = await file.write(content, written, content.length - written, written);
    if (count === 0) {
      // A full disk may write short without an error; no progress at all is the same news.
      throw Object.assign(new Error('ENOSPC: the write made no progress'), { code: 'ENOSPC' });
    }
    written += count;
  }
}
