import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Files } from './files.js';
import { type Layout, TEMPORARY_SUFFIX } from './layout.js';
import { writeFully } from './write-fully.js';

const COPY_BYTES = 1 << 20;
const STEM_BYTES_MAX = 150;

/** The move under way. */
let moving: Promise<unknown> = Promise.resolve();

/**
 * Keeps bytes that recovery would not vouch for. Nothing in here is ever deleted by logweir. Names are made from what is
 * kept, so that a recovery that was interrupted and runs again keeps it once.
 */
export class Quarantine {
  readonly #files: Files;
  readonly #layout: Layout;

  constructor(files: Files, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
  }

  /** Copies the end of a file from `offset` on, durably; the caller then cuts it off. Returns the name it is kept under. */
  async keepTail(path: string, offset: number): Promise<string> {
    const source = await this.#files.open(path, 'read');
    const stem = this.#stem(path);
    const temporary = join(this.#layout.quarantine, stem + TEMPORARY_SUFFIX);
    await this.#files.remove(temporary);
    const target = await this.#files.open(temporary, 'create');
    const chunk = Buffer.allocUnsafeSlow(COPY_BYTES);
    let position = offset;
    let crc = 0;
    try {
      for (let read = -1; read !== 0; ) {
        read = await source.read(chunk, 0, COPY_BYTES, position);
        await writeFully(target, chunk, 0, read, position - offset);
        crc = crc32(chunk.subarray(0, read), crc);
        position += read;
      }
      await target.datasync();
    } finally {
      await source.close();
      await target.close();
    }
    const name = `${stem}.${offset}-${position}.${crc.toString(16).padStart(8, '0')}`;
    await this.#files.rename(temporary, join(this.#layout.quarantine, name));
    await this.#files.syncDirectory(this.#layout.quarantine);
    return name;
  }

  /** Moves a whole file. Returns the name it is kept under. */
  keepFile(path: string): Promise<string> {
    // One after the other: between the choice of a free name and the rename nobody else may take it.
    const kept = moving.then(() => this.#moveFile(path));
    moving = kept.catch(() => undefined);
    return kept;
  }

  async #moveFile(path: string): Promise<string> {
    const stem = this.#stem(path);
    let name = stem;
    for (let copy = 2; (await this.#files.stat(join(this.#layout.quarantine, name))) !== null; copy++) {
      name = `${stem}.${copy}`;
    }
    if ((await this.#files.stat(path)) !== null) {
      await this.#files.rename(path, join(this.#layout.quarantine, name));
      await this.#files.syncDirectory(this.#layout.quarantine);
      await this.#files.syncDirectory(dirname(path));
    }
    return name;
  }

  /** A segment's file name says its session only by its directory. */
  #stem(path: string): string {
    const directory = dirname(path);
    const name = basename(path);
    return directory === this.#layout.active ? quarantineStem(name) : `${quarantineStem(basename(directory))}_${name}`;
  }
}

/** A session's name at the front of what is kept of it; a long one gives way to what follows, and its hash keeps it apart. */
export function quarantineStem(sessionName: string): string {
  if (sessionName.length <= STEM_BYTES_MAX) {
    return sessionName;
  }
  const hash = createHash('sha256').update(sessionName).digest('hex').slice(0, 16);
  return `${sessionName.slice(0, STEM_BYTES_MAX - 17)}~${hash}`;
}
