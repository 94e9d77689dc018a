import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';

/**
 * The disk as a compression thread uses it: one call after the other, each waited for. What `Files` is to everybody else.
 *
 * Every method throws the NodeJS.ErrnoException of the system call.
 */
export interface ThreadDisk {
  /** Never follows a symbolic link at the path's last step. `create` (read and write) fails with EEXIST when the name is taken. */
  open(path: string, mode: 'create' | 'readwrite' | 'read'): ThreadFile;
  /** Removes a file; an absent one is fine. */
  remove(path: string): void;
  /** Gives a file a second name. */
  link(path: string, second: string): void;
  /** Fails with EEXIST when the name is taken. */
  copy(path: string, target: string): void;
}

/** One open descriptor. Positions and lengths are bytes. */
export interface ThreadFile {
  /** Returns the count read; 0 at the end of the file. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): number;
  /** Returns the count written, which may be short without an error on a full disk. */
  write(buffer: Uint8Array, offset: number, length: number, position: number): number;
  /** fsync */
  sync(): void;
  close(): void;
}

const FILE_MODE = 0o600;

const OPEN_FLAGS = {
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  readwrite: constants.O_RDWR | constants.O_NOFOLLOW,
  read: constants.O_RDONLY | constants.O_NOFOLLOW,
} as const;

/** The real disk. */
export const nodeThreadDisk: ThreadDisk = {
  open: (path, mode) => new NodeThreadFile(openSync(path, OPEN_FLAGS[mode], FILE_MODE)),
  remove: (path) => rmSync(path, { force: true }),
  link: linkSync,
  copy: (path, target) => copyFileSync(path, target, constants.COPYFILE_EXCL),
};

class NodeThreadFile implements ThreadFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number): number {
    return readSync(this.#fd, buffer, offset, length, position);
  }

  write(buffer: Uint8Array, offset: number, length: number, position: number): number {
    return writeSync(this.#fd, buffer, offset, length, position);
  }

  sync(): void {
    fsyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
