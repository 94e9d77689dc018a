import { dirname } from 'node:path';
import type { Files } from './files.js';
import { TEMPORARY_SUFFIX } from './layout.js';
import { writeFully } from './write-fully.js';

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
    await writeFully(file, content, 0, content.length, 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(dirname(path));
}
