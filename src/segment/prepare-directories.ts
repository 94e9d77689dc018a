import { dirname } from 'node:path';
import type { Files } from './files.js';
import type { Layout } from './layout.js';

/** Makes LOG_DIR and the directories in it, durably: what is synced in a directory whose own name is lost is lost with it. */
export async function prepareDirectories(files: Files, layout: Layout): Promise<void> {
  await makeDurably(files, layout.root);
  for (const directory of [layout.active, layout.sealing, layout.sessions, layout.outbox, layout.quarantine]) {
    await files.makeDirectory(directory);
  }
  await files.syncDirectory(layout.root);
}

/** Nothing is made in a directory before its name is durable, so only the lowest one that is there can be in doubt. */
async function makeDurably(files: Files, path: string): Promise<void> {
  const parent = dirname(path);
  const isThere = parent === path || (await files.stat(path)) !== null;
  if (!isThere) {
    await makeDurably(files, parent);
    await files.makeDirectory(path);
  }
  try {
    // Also when it was there: whoever made it may have died before this.
    await files.syncDirectory(parent);
  } catch (error) {
    // Nobody made it here who may not even look into its parent.
    if (!isThere || (error as NodeJS.ErrnoException).code !== 'EACCES') {
      throw error;
    }
  }
}
