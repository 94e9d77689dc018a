/**
 * A gzip file member by member (RFC 1952), as a stream. Unlike a gunzip stream it tells where members begin, and takes only
 * what sealing writes: members without optional fields, nothing between or behind them.
 *
 * Memory: a few chunks of 128 KiB, whatever the file inflates to; whoever reads stops when it is too much.
 */
import { Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import type { OpenFile } from '../../segment/files.js';
import { readFully } from '../../segment/read-fully.js';
import { fileBytes } from '../segment-bytes.js';

const CHUNK_BYTES = 128 * 1024;
const HEADER_BYTES = 10;
const TRAILER_BYTES = 8;
/** ID1, ID2, CM = deflate, FLG = no optional field. What follows (time, level, system) changes nothing of the content. */
const HEADER = Buffer.from([0x1f, 0x8b, 0x08, 0x00]);

/** The file is no sequence of such members. */
export class GzipDamage extends Error {}

/**
 * The inflated bytes of one member after the other.
 * @param onMember told where a member begins in the file, before its bytes come
 * @param onRead told how far the file was used
 * @throws GzipDamage; the error of the disk
 */
export async function* inflatedMembers(
  file: OpenFile,
  onMember: (compressedOffset: number) => void,
  onRead: (compressedBytes: number) => void,
): AsyncGenerator<Buffer, void> {
  const size = await file.size();
  let at = 0;
  while (at < size) {
    const header = await readFully(file, at, HEADER_BYTES);
    if (header.length < HEADER_BYTES || header.compare(HEADER, 0, HEADER.length, 0, HEADER.length) !== 0) {
      throw new GzipDamage(`no gzip member begins at byte ${at}`);
    }
    onMember(at);
    const member = new MemberInflation(file, at);
    yield* member.bytes();
    const trailer = await readFully(file, member.endOfData, TRAILER_BYTES);
    if (trailer.length < TRAILER_BYTES) {
      throw new GzipDamage(`the gzip member at byte ${at} ends early`);
    }
    if (trailer.readUInt32LE(0) !== member.crc || trailer.readUInt32LE(4) !== member.length % 2 ** 32) {
      throw new GzipDamage(
        `the gzip member at byte ${at} does not have the CRC-32 and the length that stand at its end`,
      );
    }
    at = member.endOfData + TRAILER_BYTES;
    onRead(at);
  }
}

class MemberInflation {
  readonly #file: OpenFile;
  readonly #start: number;
  /** Of what it inflates to. */
  crc = 0;
  length = 0;
  /** In the file, behind the deflate stream; known at its end. */
  endOfData = 0;

  constructor(file: OpenFile, start: number) {
    this.#file = file;
    this.#start = start;
  }

  async *bytes(): AsyncGenerator<Buffer, void> {
    const compressed = fileBytes(this.#file, this.#start + HEADER_BYTES);
    const source = Readable.from(compressed, { highWaterMark: 1 });
    const inflate = createInflateRaw({ chunkSize: CHUNK_BYTES });
    source.on('error', (error) => inflate.destroy(error));
    // What comes behind the end of the deflate stream is left over; a failure is thrown where the bytes are read.
    inflate.on('error', () => undefined);
    source.pipe(inflate);
    try {
      for await (const chunk of inflate as AsyncIterable<Buffer>) {
        this.crc = crc32(chunk, this.crc);
        this.length += chunk.length;
        yield chunk;
      }
      this.endOfData = this.#start + HEADER_BYTES + inflate.bytesWritten;
    } catch (error) {
      if (String((error as NodeJS.ErrnoException).code).startsWith('Z_')) {
        const { message } = error as Error;
        throw new GzipDamage(`the gzip member at byte ${this.#start} cannot be inflated: ${message}`, { cause: error });
      }
      throw error;
    } finally {
      source.unpipe(inflate);
      source.destroy();
      // Resolves behind a read that is still under way: only then may the file be closed.
      await compressed.return();
    }
  }
}
