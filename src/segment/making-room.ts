import type { Files } from './files.js';

const OUT_OF_DESCRIPTORS: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE']);

/**
 * Files whose operations give a descriptor back and try again when the process has none left: connections count against the same
 * limit, and a session's file can always be closed for a while.
 * @param closeOne resolves to false when nothing is left to close; the error is thrown then. With `named`, only a file whose name
 *   is durable may be closed: closing another one waits for the very fsync of the directory that makes room.
 */
export function makingRoom(files: Files, closeOne: (named: boolean) => Promise<boolean>): Files {
  const withRoom = async <T>(operation: () => Promise<T>, named = false): Promise<T> => {
    for (;;) {
      try {
        return await operation();
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (!OUT_OF_DESCRIPTORS.has(code) || !(await closeOne(named))) {
          throw error;
        }
      }
    }
  };
  return {
    open: (path, mode) => withRoom(() => files.open(path, mode)),
    list: (directory) => withRoom(() => files.list(directory)),
    readFile: (path) => withRoom(() => files.readFile(path)),
    syncDirectory: (path) => withRoom(() => files.syncDirectory(path), true),
    stat: (path) => files.stat(path),
    makeDirectory: (path) => files.makeDirectory(path),
    rename: (from, to) => files.rename(from, to),
    remove: (path) => files.remove(path),
    removeDirectoryIfEmpty: (path) => files.removeDirectoryIfEmpty(path),
  };
}
