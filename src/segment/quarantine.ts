import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Files } from './files.js';
import { type Layout, parseSegmentName, type SegmentName, sessionName, TEMPORARY_SUFFIX } from './layout.js';
import { writeFully } from './write-fully.js';

const COPY_BYTES = 1 << 20;
const STEM_BYTES_MAX = 150;

/** The move under way on each disk. */
const moves = new WeakMap<Files, Promise<unknown>>();

/**
 * Keeps bytes that recovery would not vouch for. Nothing in here is ever deleted by logweir. Names are made from what is
 * kept, so that a recovery that was interrupted and runs again keeps it once.
 *
 * Everybody who moves segments and everybody who asks for a session's last seq share one instance: the directory is listed
 * once, and then what is moved is added.
 */
export class Quarantine {
  readonly #files: Files;
  readonly #layout: Layout;
  /** Last seq by the front of a name, that of a session. Null before the first question. */
  #lastSeqs: Promise<Map<string, number>> | null = null;

  constructor(files: Files, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
  }

  /** The highest seq that the names of a session's quarantined segments say; 0 for none. */
  async lastSeq(sessionId: string): Promise<number> {
    const lastSeqs = await this.#index();
    return lastSeqs.get(quarantineStem(sessionName(sessionId))) ?? 0;
  }

  /** Copies the end of a file from `offset` on, durably; the caller then cuts it off. Returns the name it is kept under. */
  async keepTail(path: string, offset: number): Promise<string> {
    const source = await this.#files.open(path, 'read');
    const stem = this.#stem(path);
    const temporary = join(this.#layout.quarantine, stem + TEMPORARY_SUFFIX);
    await this.#files.remove(temporary);
    const target = await this.#files.open(temporary, 'create');
    const chunk = Buffer.allocUnsafeSlow(Math.min(COPY_BYTES, Math.max(1, (await source.size()) - offset)));
    let position = offset;
    let crc = 0;
    try {
      for (let read = -1; read !== 0; ) {
        read = await source.read(chunk, 0, chunk.length, position);
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
    await this.#added(name);
    return name;
  }

  /** Moves a whole file. Returns the name it is kept under. */
  keepFile(path: string): Promise<string> {
    // One after the other: between the choice of a free name and the rename nobody else may take it.
    const kept = (moves.get(this.#files) ?? Promise.resolve()).then(() => this.#moveFile(path));
    moves.set(
      this.#files,
      kept.catch(() => undefined),
    );
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
    await this.#added(name);
    return name;
  }

  #index(): Promise<Map<string, number>> {
    this.#lastSeqs ??= this.#listed().catch((error: unknown) => {
      this.#lastSeqs = null;
      throw error;
    });
    return this.#lastSeqs;
  }

  async #listed(): Promise<Map<string, number>> {
    const lastSeqs = new Map<string, number>();
    for (const name of await this.#files.list(this.#layout.quarantine)) {
      keepHighest(lastSeqs, name);
    }
    return lastSeqs;
  }

  /** A name that comes while the directory is listed may be missing there. */
  async #added(name: string): Promise<void> {
    const lastSeqs = await this.#lastSeqs?.catch(() => null);
    if (lastSeqs !== undefined && lastSeqs !== null) {
      keepHighest(lastSeqs, name);
    }
  }

  /** A segment's file name says its session only by its directory. */
  #stem(path: string): string {
    const directory = dirname(path);
    const name = basename(path);
    return directory === this.#layout.active ? quarantineStem(name) : `${quarantineStem(basename(directory))}_${name}`;
  }
}

/** The last one in a name: a session's id may look like one. */
const SEGMENT = /^(.*)_(\d{16}-\d{16}_\d{8}T\d{6}Z)/;

function keepHighest(lastSeqs: Map<string, number>, name: string): void {
  const [, stem = '', segment = ''] = SEGMENT.exec(name) ?? [];
  const lastSeq = parseSegmentName(segment)?.lastSeq ?? 0;
  lastSeqs.set(stem, Math.max(lastSeq, lastSeqs.get(stem) ?? 0));
}

/** A session's name at the front of what is kept of it; a long one gives way to what follows, and its hash keeps it apart. */
export function quarantineStem(name: string): string {
  if (name.length <= STEM_BYTES_MAX) {
    return name;
  }
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16);
  return `${name.slice(0, STEM_BYTES_MAX - 17)}~${hash}`;
}

/** The segments of a session, by its name on disk, that these names in quarantine/ tell of, whole or the ends of them. */
export function quarantinedSegments(fileNames: readonly string[], name: string): SegmentName[] {
  const stem = quarantineStem(name);
  return fileNames
    .map((fileName) => SEGMENT.exec(fileName))
    .filter((match) => match?.[1] === stem)
    .map((match) => parseSegmentName(match?.[2] ?? ''))
    .filter((segment) => segment !== null);
}
