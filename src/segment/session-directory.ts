import { basename, dirname, join } from 'node:path';
import type { FileStat, Files } from './files.js';

/**
 * Makes a session's own directory, under sealing/ or sessions/.
 * @throws ENOTDIR when something else has its name: a link there would lead what agents write out of LOG_DIR
 */
export async function makeSessionDirectory(files: Files, path: string): Promise<void> {
  await files.makeDirectory(path);
  expectDirectory(path, await files.stat(path));
}

/** The entries of a session's own directory; none when it is absent. @throws ENOTDIR as `makeSessionDirectory` */
export async function listSessionDirectory(files: Files, path: string): Promise<string[]> {
  const stat = await files.stat(path);
  expectDirectory(path, stat);
  return stat === null ? [] : files.list(path);
}

function expectDirectory(path: string, stat: FileStat | null): void {
  if (stat !== null && !stat.isDirectory) {
    const name = join(basename(dirname(path)), basename(path));
    const message = `ENOTDIR: ${name} is a link or a file where the session's directory belongs; move it out of LOG_DIR`;
    throw Object.assign(new Error(message), { code: 'ENOTDIR' });
  }
}
