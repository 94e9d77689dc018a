import type { Files } from '../../src/segment/files.js';
import { nodeFiles } from '../../src/segment/node-files.js';

export interface ScriptedDisk {
  readonly files: Files;
  /** What fails: `operation` or `operation:end of the path`, with the error's code. */
  readonly failing: Map<string, string>;
  /** Every call, as `operation path`. */
  readonly calls: string[];
  /** Calls `react` at the next failure. */
  atNextFailure(react: () => void): void;
}

/** The real disk, whose operations fail as a test says. `close` closes before it fails, as close(2) does. */
export function scriptedDisk(): ScriptedDisk {
  const failing = new Map<string, string>();
  const calls: string[] = [];
  let react: () => void = () => undefined;
  const check = async (operation: string, path: string): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    calls.push(`${operation} ${path}`);
    for (const [key, code] of failing) {
      const [failingOperation, end = ''] = key.split(':');
      if (failingOperation === operation && path.endsWith(end)) {
        const reaction = react;
        react = () => undefined;
        reaction();
        throw Object.assign(new Error(code), { code });
      }
    }
  };
  const files: Files = {
    ...nodeFiles,
    async open(path, mode) {
      await check('open', path);
      const file = await nodeFiles.open(path, mode);
      return {
        read: (...args) => file.read(...args),
        size: () => file.size(),
        async close() {
          await file.close();
          await check('close', path);
        },
        async write(...args) {
          await check('write', path);
          return file.write(...args);
        },
        async truncate(length) {
          await check('truncate', path);
          await file.truncate(length);
        },
        async datasync() {
          await check('datasync', path);
          await file.datasync();
        },
      };
    },
    async rename(from, to) {
      await check('rename', to);
      await nodeFiles.rename(from, to);
    },
    async syncDirectory(path) {
      await check('syncDirectory', path);
      await nodeFiles.syncDirectory(path);
    },
  };
  return {
    files,
    failing,
    calls,
    atNextFailure(reaction) {
      react = reaction;
    },
  };
}
