/**
 * Members of gzip segments as chunks of lines, shared by all readers of a segment.
 *
 * *Bounded*: see KeptPieces. A member that is being inflated takes a place (`ReadPlaces`). A reader that stands still holds one
 * chunk, which is a copy: never the member.
 */
import { NotALine } from '../frame/json-reader.js';
import type { OpenFile } from '../segment/files.js';
import { readMember } from '../segment/gzip-source.js';
import { KeptPieces, type Piece } from './kept-pieces.js';
import { copiedChunks } from './line-chunks.js';
import type { PlacedFiles } from './placed-files.js';

/** As many as 16 readers in different places go through without inflating anything twice, with what one door makes of it. */
const KEPT_BYTES_MAX = 32 << 20;

export interface InflatedMember extends Piece {
  readonly compressedBytes: number;
}

export interface MemberPlace {
  readonly sessionId: string;
  readonly path: string;
  readonly compressedOffset: number;
  /** In the file; the end of the file where it is not known. */
  readonly compressedEnd: number;
}

export class InflatedMembers {
  readonly #files: PlacedFiles;
  readonly #kept: KeptPieces<InflatedMember>;
  /** Bytes inflated since the start. */
  inflatedBytes = 0;

  constructor(files: PlacedFiles, bytesMax: number = KEPT_BYTES_MAX) {
    this.#files = files;
    this.#kept = new KeptPieces(bytesMax);
  }

  /** What is kept for whoever comes next. */
  get keptBytes(): number {
    return this.#kept.bytes;
  }

  /** @throws NotALine when it is damaged; ENOENT when the file has moved on */
  get(place: MemberPlace): Promise<InflatedMember> {
    return this.#kept.get(`${place.compressedOffset}:${place.path}`, () => this.#inflate(place));
  }

  /** Nobody's signal ends it: others may wait for the same member. */
  #inflate({ sessionId, path, compressedOffset, compressedEnd }: MemberPlace): Promise<InflatedMember> {
    const read = (file: OpenFile): Promise<InflatedMember> =>
      this.#read(file, sessionId, compressedOffset, compressedEnd);
    return this.#files.at(path, null, read, undefined);
  }

  async #read(file: OpenFile, sessionId: string, offset: number, end: number): Promise<InflatedMember> {
    const member = await readMember(file, offset, end);
    if (member === null) {
      throw new NotALine();
    }
    const { bytes, compressedBytes } = member;
    this.inflatedBytes += bytes.length;
    return { chunks: copiedChunks(sessionId, bytes, 0, bytes.length), compressedBytes };
  }
}
