/**
 * Members of gzip segments as chunks of lines, shared by all readers of a segment.
 *
 * *Bounded*: at most `bytesMax` are kept for whoever comes next, least recently used ones go first. A member that is being
 * inflated takes a place (`ReadPlaces`) and is inflated once, however many wait for it. A reader that stands still holds one
 * chunk, which is a copy: never the member.
 */
import { NotALine } from '../frame/json-reader.js';
import type { OpenFile } from '../segment/files.js';
import { readMember } from '../segment/gzip-source.js';
import { copiedChunks } from './line-chunks.js';
import type { LogLines } from './log-events.js';
import type { PlacedFiles } from './placed-files.js';

/** As many as 16 readers in different places go through without inflating anything twice. */
const KEPT_BYTES_MAX = 16 << 20;

export interface InflatedMember {
  readonly chunks: readonly LogLines[];
  /** Inflated. */
  readonly bytes: number;
  readonly compressedBytes: number;
}

export interface MemberPlace {
  readonly sessionId: string;
  readonly path: string;
  readonly compressedOffset: number;
  /** In the file; the end of the file where it is not known. */
  readonly compressedEnd: number;
}

interface Kept {
  readonly member: Promise<InflatedMember>;
  /** 0 while it is being inflated. */
  bytes: number;
}

export class InflatedMembers {
  readonly #files: PlacedFiles;
  readonly #bytesMax: number;
  /** In the order of use. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;
  /** Bytes inflated since the start. */
  inflatedBytes = 0;

  constructor(files: PlacedFiles, bytesMax: number = KEPT_BYTES_MAX) {
    this.#files = files;
    this.#bytesMax = bytesMax;
  }

  /** What is kept for whoever comes next. */
  get keptBytes(): number {
    return this.#bytes;
  }

  /** @throws NotALine when it is damaged; ENOENT when the file has moved on */
  get(place: MemberPlace): Promise<InflatedMember> {
    const key = `${place.compressedOffset}:${place.path}`;
    const kept = this.#kept.get(key) ?? this.#load(key, place);
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.member;
  }

  #load(key: string, place: MemberPlace): Kept {
    const kept: Kept = { member: this.#inflate(place), bytes: 0 };
    kept.member.then(
      (member) => this.#keep(key, kept, member.bytes),
      () => this.#drop(key, kept),
    );
    return kept;
  }

  #keep(key: string, kept: Kept, bytes: number): void {
    if (this.#kept.get(key) !== kept) {
      return;
    }
    kept.bytes = bytes;
    this.#bytes += bytes;
    for (const [oldest, other] of this.#kept) {
      if (this.#bytes <= this.#bytesMax) {
        break;
      }
      this.#drop(oldest, other);
    }
  }

  #drop(key: string, kept: Kept): void {
    if (this.#kept.get(key) === kept) {
      this.#kept.delete(key);
      this.#bytes -= kept.bytes;
    }
  }

  /** Nobody's signal ends it: others may wait for the same member. */
  #inflate({ sessionId, path, compressedOffset, compressedEnd }: MemberPlace): Promise<InflatedMember> {
    return this.#files.step(async (files) => {
      const file = await files.open(path, 'read');
      try {
        return await this.#read(file, sessionId, compressedOffset, compressedEnd);
      } finally {
        await file.close();
      }
    });
  }

  async #read(file: OpenFile, sessionId: string, offset: number, end: number): Promise<InflatedMember> {
    const member = await readMember(file, offset, end);
    if (member === null) {
      throw new NotALine();
    }
    const { bytes, compressedBytes } = member;
    this.inflatedBytes += bytes.length;
    return { chunks: copiedChunks(sessionId, bytes, 0, bytes.length), bytes: bytes.length, compressedBytes };
  }
}
