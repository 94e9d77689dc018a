import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { crc32, inflateRaw, type Zlib } from 'node:zlib';
import type { OpenFile } from './files.js';
import { readFully } from './read-fully.js';
import type { SegmentSource } from './segment-scan.js';

const inflate = promisify(inflateRaw) as unknown as (
  input: Uint8Array,
  options: { info: true; maxOutputLength: number; chunkSize: number },
) => Promise<{ buffer: Buffer; engine: Zlib }>;

/** A member that sealing wrote is shorter, but for one whose line is longer. */
const WINDOW_BYTES = 2 << 20;
const MEMBER_BYTES_MAX = 512 << 20;
/** One way to the thread pool and back for each of them. */
const INFLATED_PIECE_BYTES = 256 * 1024;
const HEADER_BYTES = 10;
const TRAILER_BYTES = 8;

/** Where a member lies, in the compressed file and in what that holds. */
interface MemberPlace {
  readonly rawOffset: number;
  readonly rawBytes: number;
  readonly compressedOffset: number;
}

/** What a gzip file of several members holds, readable from anywhere, without the manifest that says where they are (RFC 1952). */
export class GzipSource implements SegmentSource {
  readonly members: readonly MemberPlace[];
  /** Of all that it holds, hex. */
  readonly sha256: string;
  readonly #file: OpenFile;
  readonly #compressedBytes: number;
  #inflated: { readonly place: MemberPlace; readonly bytes: Buffer } | null = null;

  private constructor(file: OpenFile, compressedBytes: number, members: readonly MemberPlace[], sha256: string) {
    this.#file = file;
    this.#compressedBytes = compressedBytes;
    this.members = members;
    this.sha256 = sha256;
  }

  /** Reads all of it once, member by member, each checked against its own CRC-32. Null when some byte of it is damaged. */
  static async open(file: OpenFile): Promise<GzipSource | null> {
    const compressedBytes = await file.size();
    const members: MemberPlace[] = [];
    const sha256 = createHash('sha256');
    let rawOffset = 0;
    for (let offset = 0; offset < compressedBytes; ) {
      const member = await readMember(file, offset, compressedBytes);
      if (member === null) {
        return null;
      }
      members.push({ rawOffset, rawBytes: member.bytes.length, compressedOffset: offset });
      sha256.update(member.bytes);
      rawOffset += member.bytes.length;
      offset += member.compressedBytes;
    }
    return new GzipSource(file, compressedBytes, members, sha256.digest('hex'));
  }

  size(): Promise<number> {
    const last = this.members.at(-1);
    return Promise.resolve(last === undefined ? 0 : last.rawOffset + last.rawBytes);
  }

  /** May be short at the end of a member; 0 at the end of all. */
  async read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    const place = this.members.findLast(({ rawOffset }) => rawOffset <= position);
    if (place === undefined || position >= place.rawOffset + place.rawBytes) {
      return 0;
    }
    const bytes = await this.#bytesOf(place);
    const from = position - place.rawOffset;
    return bytes.copy(buffer, offset, from, Math.min(bytes.length, from + length));
  }

  async #bytesOf(place: MemberPlace): Promise<Buffer> {
    if (this.#inflated?.place !== place) {
      const member = await readMember(this.#file, place.compressedOffset, this.#compressedBytes);
      // It was read before: the file changes under our hands.
      this.#inflated = { place, bytes: member?.bytes ?? Buffer.alloc(0) };
    }
    return this.#inflated.bytes;
  }
}

export interface GzipMemberContent {
  readonly bytes: Buffer;
  readonly compressedBytes: number;
}

/**
 * The member that begins at `offset` of a gzip file, checked against its own CRC-32; null when it is damaged.
 * @param end of the member when it is known, else of the file
 */
export async function readMember(
  file: Pick<OpenFile, 'read'>,
  offset: number,
  end: number,
): Promise<GzipMemberContent | null> {
  for (let length = Math.min(WINDOW_BYTES, end - offset); ; length = Math.min(length * 2, end - offset)) {
    const window = await readFully(file, offset, length);
    const member = await inflateMember(window);
    if (member !== 'longer') {
      return member;
    }
    if (length === end - offset || length > MEMBER_BYTES_MAX) {
      return null;
    }
  }
}

/** The member at the front of `window`; null when it is damaged. */
async function inflateMember(window: Buffer): Promise<GzipMemberContent | 'longer' | null> {
  if (window.length < HEADER_BYTES) {
    return 'longer';
  }
  // The header as zlib writes it: deflate, no flags, so nothing optional behind it.
  if (window.readUIntBE(0, 4) !== 0x1f8b0800) {
    return null;
  }
  let inflated: { buffer: Buffer; engine: Zlib };
  try {
    inflated = await inflate(window.subarray(HEADER_BYTES), {
      info: true,
      maxOutputLength: MEMBER_BYTES_MAX,
      chunkSize: INFLATED_PIECE_BYTES,
    });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR' ? 'longer' : null;
  }
  const { buffer: bytes, engine } = inflated;
  const trailer = HEADER_BYTES + engine.bytesWritten;
  if (trailer + TRAILER_BYTES > window.length) {
    return 'longer';
  }
  const isSound = window.readUInt32LE(trailer) === crc32(bytes) && window.readUInt32LE(trailer + 4) === bytes.length;
  return isSound ? { bytes, compressedBytes: trailer + TRAILER_BYTES } : null;
}
