import { join } from 'node:path';
import type { Compressor } from '../../../src/sealing/compressor.js';
import type { ThreadDisk } from '../../../src/sealing/thread-disk.js';
import type { Files, OpenFile } from '../../../src/segment/files.js';
import type { Intake } from '../../../src/session/intake.js';
import type { Disk } from './disk.js';

/** A mistake, put around the parts it is made with: the simulation must find it. */
export interface PlantedBug {
  readonly name: string;
  files(files: Files, disk: Disk): Files;
  compressor(compressor: Compressor, disk: Disk): Compressor;
  threadDisk(disk: ThreadDisk): ThreadDisk;
  intake(intake: Intake): Intake;
}

export const NO_BUG: PlantedBug = {
  name: 'none',
  files: (files) => files,
  compressor: (compressor) => compressor,
  threadDisk: (disk) => disk,
  intake: (intake) => intake,
};

/** All other methods are those of `target`. */
function instead<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get(_, property) {
      const own: unknown = Reflect.get(replaced, property);
      const value: unknown = own ?? Reflect.get(target, property, target);
      return typeof value === 'function' && own === undefined ? value.bind(target) : value;
    },
  });
}

function opened(files: Files, change: (file: OpenFile, path: string) => Partial<OpenFile>): Files {
  return instead(files, {
    async open(path, mode) {
      const file = await files.open(path, mode);
      return instead(file, change(file, path));
    },
  });
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    ...NO_BUG,
    name: 'fdatasync is skipped',
    files: (files) => opened(files, () => ({ datasync: () => Promise.resolve() })),
  },
  {
    ...NO_BUG,
    name: 'a failed fdatasync is tried again on its descriptor',
    files: (files) => opened(files, (file) => ({ datasync: () => file.datasync().catch(() => file.datasync()) })),
  },
  {
    ...NO_BUG,
    name: 'the fsync of directories is skipped',
    files: (files) => instead(files, { syncDirectory: () => Promise.resolve() }),
  },
  {
    ...NO_BUG,
    name: 'the fsync of active/ is skipped',
    files: (files) =>
      instead(files, {
        syncDirectory: (path) => (path.endsWith('/active') ? Promise.resolve() : files.syncDirectory(path)),
      }),
  },
  {
    ...NO_BUG,
    name: 'the compressed file is not synced',
    threadDisk: (disk) =>
      instead(disk, { open: (path, mode) => instead(disk.open(path, mode), { sync: () => undefined }) }),
  },
  {
    ...NO_BUG,
    name: 'the raw file is removed before the compressed one has its name',
    compressor: (compressor, disk) =>
      instead(compressor, {
        async run(request) {
          const result = await compressor.run(request);
          disk.remove(request.rawPath);
          return result;
        },
      }),
  },
  {
    ...NO_BUG,
    name: 'an answer is sent before the sync',
    intake: (intake) => instead(intake, { settle: () => Promise.resolve([]) }),
  },
  {
    ...NO_BUG,
    name: 'an outbox record is removed before it is announced',
    files: (files) =>
      instead(files, {
        async readFile(path) {
          const content = await files.readFile(path);
          if (path.includes(join('/', 'outbox', '/'))) {
            await files.remove(path);
          }
          return content;
        },
      }),
  },
  {
    ...NO_BUG,
    name: 'the record of a completion is removed before its event stands in the outbox',
    files: (files) =>
      instead(files, {
        async open(path, mode) {
          const [, root, session, seq] = /^(.*)\/outbox\/completion_(.+)_(\d{16})\.json\.tmp$/.exec(path) ?? [];
          if (root !== undefined) {
            await files.remove(join(root, 'sealing', session ?? '', `${seq}.completion.json`));
          }
          return files.open(path, mode);
        },
      }),
  },
  {
    ...NO_BUG,
    name: 'a short write is taken for a whole one',
    files: (files) =>
      opened(files, (file) => ({
        write: (buffer, offset, length, position) => file.write(buffer, offset, length, position).then(() => length),
      })),
  },
];
