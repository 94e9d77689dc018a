/**
 * The narrow door to the disk. session/, segment/ and sealing/ reach files only through this interface, so that a test
 * can hand them a disk that fails, fills up or forgets what was not synced.
 *
 * Every method rejects with the NodeJS.ErrnoException of the system call (`code` = ENOSPC, EIO, …).
 */
export interface Files {
  /**
   * Opens a file that never follows a symbolic link at its last step. `create` (read and write) fails with EEXIST when the name is taken.
   */
  open(path: string, mode: 'create' | 'readwrite' | 'read'): Promise<OpenFile>;
  /** Entries of a directory, unsorted; an absent directory is empty. */
  list(directory: string): Promise<string[]>;
  /** Size and last change, or null when nothing has that name. Does not follow symbolic links. */
  stat(path: string): Promise<FileStat | null>;
  /** Creates the directory (0700) and its parents; existing ones stay as they are. Resolves to true when it made any. */
  makeDirectory(path: string): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; an absent one is fine. */
  remove(path: string): Promise<void>;
  /** Removes a directory when it is empty; a full or absent one stays as it is. */
  removeDirectoryIfEmpty(path: string): Promise<void>;
  /** Makes names created, renamed or removed in a directory survive a power cut. */
  syncDirectory(path: string): Promise<void>;
  /**
   * Whole content of a small file (manifests, outbox records). Never follows a symbolic link at its last step; EFBIG above
   * SMALL_FILE_BYTES_MAX.
   */
  readFile(path: string): Promise<Buffer>;
}

/**
 * Manifests are the largest of the small files. What grows in one: a member for each 1 MiB of lines, at most 90 bytes, so that
 * this is enough for a segment of 700 GiB; and the marks of 1,024 producers, at most 1.6 KiB each (an id of 256 bytes may be
 * escaped to six times that).
 */
export const SMALL_FILE_BYTES_MAX = 64 << 20;

export interface FileStat {
  readonly bytes: number;
  /** Wall clock, milliseconds. */
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly isDirectory: boolean;
  /** Neither a directory nor a link, pipe or device. */
  readonly isFile: boolean;
}

/** One open descriptor. Positions and lengths are bytes. */
export interface OpenFile {
  /** Writes at `position`; resolves to the count written, which may be short without an error on a full disk. */
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  /** Reads into `buffer`; 0 at the end of the file. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  /** fdatasync. After a rejection the descriptor must not be trusted again. */
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}
