import type { Files, OpenFile } from '../segment/files.js';
import type { ReadPlaces } from './read-places.js';
import { isAbsent } from './reading-error.js';
import { SEQ_HEAD_BYTES, seqAt } from './stored-line.js';

/** What is read of a file. */
export type ReadableFile = Pick<OpenFile, 'read' | 'size'>;

/** Another file has the name by now. */
export class FileMoved extends Error {}

/** A file is not where it was a moment ago: looking again tells where it is. */
export function hasMoved(error: unknown): boolean {
  return isAbsent(error) || error instanceof FileMoved;
}

/**
 * The disk in steps: each takes a place, and closes what it opened before it gives the place back. So the descriptors of all
 * readers together are as many as there are places, and a reader that stands still has none.
 */
export class PlacedFiles {
  readonly #files: Files;
  readonly #places: ReadPlaces;

  constructor(files: Files, places: ReadPlaces) {
    this.#files = files;
    this.#places = places;
  }

  /** @throws ReadingAborted when `signal` aborts, and what `step` throws */
  step<T>(step: (files: Files) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#places.run(() => step(this.#files), signal);
  }

  /**
   * One step at an open file.
   * @param firstSeq of its first line, where a file's name may pass to another one; else null
   * @throws FileMoved, ENOENT, and what `use` throws
   */
  at<T>(
    path: string,
    firstSeq: number | null,
    use: (file: OpenFile) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const checked = async (file: OpenFile): Promise<T> => {
      if (firstSeq !== null && (await firstSeqOf(file)) !== firstSeq) {
        throw new FileMoved(path);
      }
      return use(file);
    };
    return this.step((files) => withFile(files, path, checked), signal);
  }

  /** A file that is opened anew for each read, as `at` opens it. */
  file(path: string, signal?: AbortSignal, firstSeq: number | null = null): ReadableFile {
    return {
      read: (buffer, offset, length, position) =>
        this.at(path, firstSeq, (file) => file.read(buffer, offset, length, position), signal),
      size: () => this.at(path, firstSeq, (file) => file.size(), signal),
    };
  }
}

/** Opens a file for `use`, and closes it behind that. */
export async function withFile<T>(files: Files, path: string, use: (file: OpenFile) => Promise<T>): Promise<T> {
  const file = await files.open(path, 'read');
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Null when the file does not begin with a stored line. */
export async function firstSeqOf(file: Pick<OpenFile, 'read'>): Promise<number | null> {
  const head = Buffer.alloc(SEQ_HEAD_BYTES);
  return seqAt(head.subarray(0, await file.read(head, 0, SEQ_HEAD_BYTES, 0)), 0);
}
