import { dirname } from 'node:path';
import type { FileStat, Files, OpenFile } from '../../../src/segment/files.js';
import { type Disk, diskError, type FileNode } from './disk.js';
import type { DiskCall, DiskWeather } from './disk-weather.js';
import type { Random } from './random.js';
import type { ProcessClock } from './scheduler.js';

export interface DiskAccess {
  readonly disk: Disk;
  readonly weather: DiskWeather;
  readonly random: Random;
  readonly clock: ProcessClock;
}

/**
 * The disk as one process sees it. A call takes effect in one event, after a latency of its own, so that calls on different files
 * overtake one another; when the process is killed before, it has none, and nobody hears of it again.
 */
export class SimulatedFiles implements Files {
  readonly #access: DiskAccess;

  constructor(access: DiskAccess) {
    this.#access = access;
  }

  open(path: string, mode: 'create' | 'readwrite' | 'read'): Promise<OpenFile> {
    const { disk, clock } = this.#access;
    return this.#call(mode === 'create' ? 'create' : 'open', path, () => {
      const node = mode === 'create' ? disk.create(path, clock.wallMs()) : disk.file(path);
      return new SimulatedFile(this.#access, path, node);
    });
  }

  list(directory: string): Promise<string[]> {
    return this.#call('list', directory, () => {
      const node = this.#access.disk.find(directory);
      return node?.kind === 'directory' ? this.#access.random.shuffled(node.entries.keys()) : [];
    });
  }

  stat(path: string): Promise<FileStat | null> {
    return this.#call('stat', path, () => {
      const node = this.#access.disk.find(path);
      if (node === null) {
        return null;
      }
      const isFile = node.kind === 'file';
      return {
        bytes: isFile ? node.content.bytes.length : 0,
        createdAtMs: isFile ? node.createdAtMs : 0,
        modifiedAtMs: isFile ? node.modifiedAtMs : 0,
        isDirectory: !isFile,
        isFile,
      };
    });
  }

  async makeDirectory(path: string): Promise<boolean> {
    try {
      return await this.#call('mkdir', path, () => this.#access.disk.makeDirectory(path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw error;
      }
    }
    await this.makeDirectory(dirname(path));
    return this.#call('mkdir', path, () => this.#access.disk.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call('rename', `${from} ${to}`, () => this.#access.disk.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#call('remove', path, () => this.#access.disk.remove(path));
  }

  removeDirectoryIfEmpty(path: string): Promise<void> {
    return this.#call('rmdir', path, () => this.#access.disk.removeDirectoryIfEmpty(path));
  }

  async syncDirectory(path: string): Promise<void> {
    const { disk } = this.#access;
    // What is done while it runs may be in it or not: it is not.
    const node = disk.find(path);
    const changes = node?.kind === 'directory' ? disk.pendingNames(node) : null;
    await this.#call('fsync directory', path, () => {
      if (changes === null) {
        throw diskError('ENOENT');
      }
      disk.syncNames(changes);
    });
  }

  readFile(path: string): Promise<Buffer> {
    return this.#call('read file', path, () => Buffer.from(this.#access.disk.file(path).content.bytes));
  }

  #call<T>(call: DiskCall, path: string, effect: () => T): Promise<T> {
    return diskCall(this.#access, call, path, effect, () => undefined);
  }
}

class SimulatedFile implements OpenFile {
  readonly #access: DiskAccess;
  readonly #path: string;
  readonly #node: FileNode;

  constructor(access: DiskAccess, path: string, node: FileNode) {
    this.#access = access;
    this.#path = path;
    this.#node = node;
  }

  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    // The caller must leave these bytes alone until it hears: a copy would hide it if it did not.
    const put = (taken: number): number => {
      const bytes = Buffer.from(buffer.subarray(offset, offset + taken));
      this.#node.content.write(position, bytes);
      this.#node.modifiedAtMs = this.#access.clock.wallMs();
      return taken;
    };
    const { weather, random } = this.#access;
    return diskCall(
      this.#access,
      'write',
      this.#path,
      () => put(weather.takenOf(length)),
      // What failed may have left bytes behind.
      () => random.chance(0.5) && put(random.between(0, length)),
    );
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return diskCall(
      this.#access,
      'read',
      this.#path,
      () => {
        const { bytes } = this.#node.content;
        const end = Math.min(bytes.length, position + length);
        return bytes.copy(buffer, offset, Math.min(position, end), end);
      },
      () => undefined,
    );
  }

  datasync(): Promise<void> {
    const { content } = this.#node;
    const count = content.pending;
    return diskCall(
      this.#access,
      'fdatasync',
      this.#path,
      () => content.sync(count),
      () => content.failSync(this.#access.random),
    );
  }

  truncate(length: number): Promise<void> {
    const cut = (): void => this.#node.content.truncate(length);
    return diskCall(this.#access, 'truncate', this.#path, cut, () => undefined);
  }

  size(): Promise<number> {
    return Promise.resolve(this.#node.content.bytes.length);
  }

  /** It is closed also when it fails, as with close(2). */
  close(): Promise<void> {
    return diskCall(
      this.#access,
      'close',
      this.#path,
      () => undefined,
      () => undefined,
    );
  }
}

function diskCall<T>(
  { clock, weather }: DiskAccess,
  call: DiskCall,
  path: string,
  effect: () => T,
  failure: () => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    clock.labelled(weather.latencyMs(call), `${call} ${path}`, () => {
      const error = weather.errorOf(call);
      if (error !== null) {
        failure();
        reject(error);
        return;
      }
      try {
        resolve(effect());
      } catch (problem) {
        reject(problem);
      }
    });
  });
}
