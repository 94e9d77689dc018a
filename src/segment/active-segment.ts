import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import type { DirectorySyncer } from './directory-syncer.js';
import type { Files, OpenFile } from './files.js';
import { lastLineStart, lineTime } from './line.js';
import { makeSessionDirectory } from './session-directory.js';
import { writeFully } from './write-fully.js';

/** What of a segment is known to be in its file. */
export interface SegmentContent {
  readonly bytes: number;
  readonly crc32: number;
  readonly firstTime: string;
  readonly lastTime: string;
}

const EMPTY: SegmentContent = { bytes: 0, crc32: 0, firstTime: '', lastTime: '' };

type FileState =
  /** Nothing has this name yet. */
  { kind: 'absent' } | { kind: 'closed' } | { kind: 'open'; file: OpenFile };

/** fdatasync failed: what was written since the last one may be lost, and no later sync can tell. */
export class SyncFailed extends Error {
  constructor(cause: unknown) {
    super('fdatasync failed', { cause });
    this.name = 'SyncFailed';
  }
}

/**
 * The one file that a session is written to.
 *
 * *Who writes*: its session's writer alone, one operation at a time; nothing here is safe against a second caller.
 * *Content*: only whole lines count. `append` moves `content` after all bytes were taken; after a failed or short
 * write the file is cut back to the last good length before anything else is appended.
 * *Durability*: after `sync` both the bytes and the file's name survive a power cut.
 */
export class ActiveSegment {
  readonly path: string;
  readonly #files: Files;
  readonly #directories: DirectorySyncer;
  #state: FileState;
  #content: SegmentContent;
  #trusted: SegmentContent;
  /** A failed write may have left bytes behind the last good length. */
  #tailUncertain = false;
  #unsynced = false;
  /** The file's name has not been synced since its creation. */
  #nameUnsynced = false;
  /** The file has left `path` for its place under sealing/. */
  #renamed = false;

  /** @param resumed what recovery found in the file; null for a segment that has no file yet */
  constructor(files: Files, directories: DirectorySyncer, path: string, resumed: SegmentContent | null) {
    this.path = path;
    this.#files = files;
    this.#directories = directories;
    this.#state = resumed === null ? { kind: 'absent' } : { kind: 'closed' };
    this.#content = resumed ?? EMPTY;
    this.#trusted = this.#content;
  }

  get content(): SegmentContent {
    return this.#content;
  }

  /** What was there at the last sync that succeeded, or when recovery read the file. */
  get trusted(): SegmentContent {
    return this.#trusted;
  }

  get isOpen(): boolean {
    return this.#state.kind === 'open';
  }

  /** Written bytes, or the file's name, would not survive a power cut yet. */
  get unsynced(): boolean {
    return this.#unsynced || this.#nameUnsynced;
  }

  get nameUnsynced(): boolean {
    return this.#nameUnsynced;
  }

  /** Opens the file, creating it when the segment is new. */
  async open(): Promise<void> {
    if (this.#state.kind === 'open' || this.#renamed) {
      return;
    }
    const isNew = this.#state.kind === 'absent';
    const file = await this.#files.open(this.path, isNew ? 'create' : 'readwrite');
    this.#state = { kind: 'open', file };
    if (isNew) {
      this.#nameUnsynced = true;
    }
  }

  /** Appends whole lines, buffer[start, end). The segment must be open. */
  async append(buffer: Buffer, start: number, end: number): Promise<void> {
    const file = this.#openFile();
    if (this.#tailUncertain) {
      await file.truncate(this.#content.bytes);
      this.#tailUncertain = false;
    }
    await this.#writeAll(file, buffer, start, end);
    const { bytes, crc32: crc, firstTime } = this.#content;
    this.#content = {
      bytes: bytes + end - start,
      crc32: crc32(buffer.subarray(start, end), crc),
      firstTime: bytes === 0 ? lineTime(buffer, start, end) : firstTime,
      lastTime: lineTime(buffer, lastLineStart(buffer, start, end), end),
    };
  }

  /** @throws SyncFailed; the descriptor is closed then: it must not be trusted again */
  async sync(): Promise<void> {
    if (!this.unsynced) {
      return;
    }
    const file = this.#openFile();
    const name = this.#nameUnsynced ? this.#directories.sync(dirname(this.path)) : Promise.resolve();
    const [data, directory] = await Promise.allSettled([this.#unsynced ? file.datasync() : Promise.resolve(), name]);
    if (data.status === 'rejected') {
      // Whether closing works does not matter any more; what the sync said does.
      await this.abandon().catch(() => undefined);
      throw new SyncFailed(data.reason);
    }
    if (directory.status === 'rejected') {
      // Both count, or neither: what is trusted here is what the queue calls durable.
      throw directory.reason;
    }
    this.#unsynced = false;
    this.#nameUnsynced = false;
    this.#trusted = this.#content;
  }

  /** With LOG_FSYNC=never a failed sync is reported and let be: memory does not hold the lines any more. */
  forgoSync(): void {
    this.#unsynced = false;
    this.#trusted = this.#content;
  }

  /** Syncs and gives the descriptor back; the segment can be opened again. */
  async close(): Promise<void> {
    if (this.#state.kind !== 'open') {
      return;
    }
    await this.sync();
    await this.abandon();
  }

  /** After a failed sync: a new descriptor, cut back to what is trusted, durably. */
  async cutBackToTrusted(): Promise<void> {
    if (this.#renamed) {
      return;
    }
    await this.abandon();
    await this.open();
    this.#content = this.#trusted;
    const file = this.#openFile();
    await file.truncate(this.#content.bytes);
    this.#tailUncertain = false;
    this.#unsynced = true;
    await this.sync();
  }

  /** Closes without syncing, after a failure. */
  async abandon(): Promise<void> {
    if (this.#state.kind !== 'open') {
      return;
    }
    const { file } = this.#state;
    this.#state = { kind: 'closed' };
    await file.close();
  }

  /**
   * Gives the segment its place under sealing/: synced, renamed, both directories synced, descriptor closed. May be called
   * again with the same path after it failed.
   * The next segment of the session may be created only after this: its name is the same, and would take the place of
   * this one if the rename were lost.
   */
  async moveTo(path: string, sealingRoot: string): Promise<void> {
    if (!this.#renamed) {
      await this.open();
      await this.sync();
      await this.#rename(path, sealingRoot);
      this.#renamed = true;
    }
    // The new name first: a power cut between the two may leave both names, and must not leave none.
    await this.#directories.sync(dirname(path));
    await this.#directories.sync(dirname(this.path));
    await this.abandon();
  }

  async #rename(path: string, sealingRoot: string): Promise<void> {
    const directory = dirname(path);
    for (let attempt = 1; ; attempt++) {
      await makeSessionDirectory(this.#files, directory);
      // Also when it was there: an earlier attempt, or a process that was killed, may have made it and not come to this.
      await this.#directories.sync(sealingRoot);
      try {
        await this.#files.rename(this.path, path);
        return;
      } catch (error) {
        // The pipeline removes a session's directory when it is empty, and may just have done so.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 10) {
          throw error;
        }
      }
    }
  }

  async #writeAll(file: OpenFile, buffer: Buffer, start: number, end: number): Promise<void> {
    this.#unsynced = true;
    this.#tailUncertain = true;
    await writeFully(file, buffer, start, end, this.#content.bytes);
    this.#tailUncertain = false;
  }

  #openFile(): OpenFile {
    if (this.#state.kind !== 'open') {
      throw new Error('the segment is not open');
    }
    return this.#state.file;
  }
}
