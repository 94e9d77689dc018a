import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { type FileStat, type Files, type OpenFile, SMALL_FILE_BYTES_MAX } from './files.js';
import { fs } from './system-calls.js';

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const SMALL_PIECE_BYTES = 64 * 1024;

const OPEN_FLAGS = {
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  readwrite: constants.O_RDWR | constants.O_NOFOLLOW,
  // A pipe in place of a file must not hold a thread of the pool until somebody writes into it.
  read: constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
} as const;

/** The real disk. */
export const nodeFiles: Files = {
  async open(path, mode) {
    return new NodeFile(await fs.open(path, OPEN_FLAGS[mode], FILE_MODE));
  },

  async list(directory) {
    return (await unlessAbsent(fs.readdir(directory))) ?? [];
  },

  async stat(path): Promise<FileStat | null> {
    const stat = await unlessAbsent(fs.lstat(path));
    if (stat === null) {
      return null;
    }
    return {
      bytes: stat.size,
      // File systems without a birth time say 0.
      createdAtMs: stat.birthtimeMs > 0 ? stat.birthtimeMs : stat.mtimeMs,
      modifiedAtMs: stat.mtimeMs,
      isDirectory: stat.isDirectory(),
      isFile: stat.isFile(),
    };
  },

  makeDirectory,

  rename: (from, to) => fs.rename(from, to),

  async remove(path) {
    await unlessAbsent(fs.unlink(path));
  },

  async removeDirectoryIfEmpty(path) {
    try {
      await fs.rmdir(path);
    } catch (error) {
      const code = codeOf(error);
      if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST') {
        throw error;
      }
    }
  },

  async syncDirectory(path) {
    const fd = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await fs.fsync(fd);
    } finally {
      await fs.close(fd);
    }
  },

  async readFile(path) {
    const fd = await fs.open(path, OPEN_FLAGS.read);
    try {
      return await readSmallFile(fd, path);
    } finally {
      await fs.close(fd);
    }
  },
};

async function readSmallFile(fd: number, path: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for (;;) {
    const piece = Buffer.allocUnsafeSlow(SMALL_PIECE_BYTES);
    const { bytesRead } = await fs.read(fd, piece, 0, SMALL_PIECE_BYTES, length);
    if (bytesRead === 0) {
      return Buffer.concat(pieces, length);
    }
    length += bytesRead;
    pieces.push(piece.subarray(0, bytesRead));
    if (length > SMALL_FILE_BYTES_MAX) {
      throw Object.assign(new Error(`EFBIG: file too large, read '${path}'`), { code: 'EFBIG', syscall: 'read', path });
    }
  }
}

/**
 * Not mkdir's own `recursive`: where a directory can't be made in its parent and the kernel says ENOENT (under /proc, for
 * one), Node 20 tries again for ever and burns a core.
 */
async function makeDirectory(path: string): Promise<boolean> {
  try {
    return await makeOneDirectory(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) {
      throw error;
    }
  }
  await makeDirectory(dirname(path));
  return makeOneDirectory(path);
}

/** Resolves to false when it is there already. */
async function makeOneDirectory(path: string): Promise<boolean> {
  try {
    await fs.mkdir(path, DIRECTORY_MODE);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await fs.stat(path)).isDirectory()) {
      return false;
    }
    throw error;
  }
}

class NodeFile implements OpenFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  async write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return (await fs.write(this.#fd, buffer, offset, length, position)).bytesWritten;
  }

  async read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return (await fs.read(this.#fd, buffer, offset, length, position)).bytesRead;
  }

  datasync(): Promise<void> {
    return fs.fdatasync(this.#fd);
  }

  truncate(length: number): Promise<void> {
    return fs.ftruncate(this.#fd, length);
  }

  async size(): Promise<number> {
    return (await fs.fstat(this.#fd)).size;
  }

  close(): Promise<void> {
    return fs.close(this.#fd);
  }
}

async function unlessAbsent<T>(operation: Promise<T>): Promise<T | null> {
  try {
    return await operation;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return null;
    }
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
