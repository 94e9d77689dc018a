/**
 * Turns a raw segment into its finished file. Runs inside a worker thread, so everything is synchronous: asynchronous
 * zlib would share the process-wide pool with the writers (p99 of a write: 5 ms instead of 0.06 ms).
 *
 * Order: raw file checked against the writer's checksum → compressed → read back, decompressed and checked against the
 * same checksum → fsync. Only then does the caller hear `done`. The raw file is never changed.
 *
 * Memory: about three members, 1 MiB of lines each (a longer line makes a longer member), whatever the segment's size.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { GzipMember } from '../segment/manifest.js';
import { Checksum, Digest } from './digest.js';
import { errnoOf, messageOf, SealingError } from './sealing-error.js';
import { nodeThreadDisk, type ThreadDisk, type ThreadFile } from './thread-disk.js';
import type { CompressionRequest, CompressionResult } from './worker-protocol.js';

const MEMBER_BYTES = 1 << 20;
const NEWLINE = 0x0a;

/**
 * @param getOn called with each piece of about 1 MiB that is done
 * @throws SealingError `unusable`, or the NodeJS.ErrnoException of a system call.
 */
export function compressSegment(
  request: CompressionRequest,
  getOn: () => void = () => undefined,
  disk: ThreadDisk = nodeThreadDisk,
): CompressionResult {
  const raw = openRaw(disk, request.rawPath);
  try {
    if (request.compression === 'gzip') {
      // Its SHA-256 is taken of what is read back: 0.6 ms a MB that would be spent twice.
      expectSealedBytes(readThrough(raw, request.bytes, new Checksum(), getOn), request, 'the raw file');
      disk.remove(request.targetPath);
      return gzipInto(disk, raw, request, getOn);
    }
    const checked = readThrough(raw, request.bytes, new Digest(), getOn);
    expectSealedBytes(checked, request, 'the raw file');
    disk.remove(request.targetPath);
    return keepPlain(disk, checked, request, getOn);
  } finally {
    raw.close();
  }
}

function openRaw(disk: ThreadDisk, path: string): ThreadFile {
  try {
    return disk.open(path, 'read');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new SealingError('unusable', 'the raw file is gone', { cause: error });
    }
    throw error;
  }
}

function gzipInto(
  disk: ThreadDisk,
  raw: ThreadFile,
  request: CompressionRequest,
  getOn: () => void,
): CompressionResult {
  const target = disk.open(request.targetPath, 'create');
  try {
    const { members, compressedBytes } = writeMembers(raw, target, request, getOn);
    const digest = digestOfMembers(target, members, request.bytes, compressedBytes, getOn);
    expectSealedBytes(digest, request, 'the compressed file');
    target.sync();
    return { sha256: digest.sha256(), compressedBytes, members };
  } finally {
    target.close();
  }
}

/** The finished file is the raw one under a second name: its bytes are checked and synced already. */
function keepPlain(
  disk: ThreadDisk,
  checked: Digest,
  request: CompressionRequest,
  getOn: () => void,
): CompressionResult {
  const result = { sha256: checked.sha256(), compressedBytes: checked.bytes, members: [] };
  try {
    disk.link(request.rawPath, request.targetPath);
    return result;
  } catch (error) {
    if (!LINKS_UNSUPPORTED.has(errnoOf(error) ?? '')) {
      throw error;
    }
  }
  disk.copy(request.rawPath, request.targetPath);
  const copy = disk.open(request.targetPath, 'readwrite');
  try {
    expectSealedBytes(readThrough(copy, request.bytes, new Checksum(), getOn), request, 'the copied file');
    copy.sync();
    return result;
  } finally {
    copy.close();
  }
}

/** File systems without hard links (FAT, some network and container mounts) answer one of these. */
const LINKS_UNSUPPORTED: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EMLINK']);

function writeMembers(
  raw: ThreadFile,
  target: ThreadFile,
  request: CompressionRequest,
  getOn: () => void,
): { members: GzipMember[]; compressedBytes: number } {
  const members: GzipMember[] = [];
  const reader = new LineChunks(raw, request.bytes);
  let rawOffset = 0;
  let compressedOffset = 0;
  for (let chunk = reader.next(); chunk !== null; chunk = reader.next()) {
    members.push({ first_seq: firstSeqOf(chunk), raw_offset: rawOffset, compressed_offset: compressedOffset });
    const member = gzipSync(chunk, { level: request.gzipLevel });
    writeFully(target, member, compressedOffset);
    rawOffset += chunk.length;
    compressedOffset += member.length;
    getOn();
  }
  return { members, compressedBytes: compressedOffset };
}

/** Decompresses member by member, each entered at its own offset, as a reader will. */
function digestOfMembers(
  target: ThreadFile,
  members: readonly GzipMember[],
  bytes: number,
  compressedBytes: number,
  getOn: () => void,
): Digest {
  const digest = new Digest();
  members.forEach((member, index) => {
    const next = members[index + 1];
    const compressed = Buffer.allocUnsafe((next?.compressed_offset ?? compressedBytes) - member.compressed_offset);
    if (readFully(target, compressed, member.compressed_offset) < compressed.length) {
      throw new SealingError('unusable', 'the compressed file ends early');
    }
    const expected = (next?.raw_offset ?? bytes) - member.raw_offset;
    digest.update(gunzip(compressed, expected));
    getOn();
  });
  return digest;
}

function gunzip(compressed: Buffer, expectedBytes: number): Buffer {
  try {
    // One piece with room to spare instead of 64 that are joined: 1.5 instead of 2.6 ms a MB.
    return gunzipSync(compressed, { maxOutputLength: Math.max(expectedBytes, 1), chunkSize: expectedBytes + 64 });
  } catch (error) {
    throw new SealingError('unusable', `the compressed file cannot be read back: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function expectSealedBytes(digest: Checksum, request: CompressionRequest, what: string): void {
  if (digest.bytes !== request.bytes || digest.crc32 !== request.crc32) {
    const found = `${digest.bytes} bytes with CRC-32 ${hex(digest.crc32)}`;
    const sealed = `${request.bytes} bytes with CRC-32 ${hex(request.crc32)}`;
    throw new SealingError('unusable', `${what} holds ${found}; ${sealed} were sealed`);
  }
}

function hex(crc32: number): string {
  return crc32.toString(16).padStart(8, '0');
}

/** Hands the whole file to `sum`, and returns it. */
function readThrough<Sum extends Checksum>(file: ThreadFile, expectedBytes: number, sum: Sum, getOn: () => void): Sum {
  const buffer = readBuffer(expectedBytes);
  for (let count = readFully(file, buffer, 0); count > 0; count = readFully(file, buffer, sum.bytes)) {
    sum.update(buffer.subarray(0, count));
    getOn();
  }
  return sum;
}

/** Of a small file, one byte more than it has: an idle session's few lines must not cost a MiB. */
function readBuffer(fileBytes: number): Buffer {
  return Buffer.allocUnsafe(Math.min(MEMBER_BYTES, fileBytes + 1));
}

/** Cuts a file into pieces of about MEMBER_BYTES that end with a whole line. A piece is valid until the next call. */
class LineChunks {
  readonly #file: ThreadFile;
  #offset = 0;
  #buffer: Buffer;

  constructor(file: ThreadFile, bytes: number) {
    this.#file = file;
    this.#buffer = readBuffer(bytes);
  }

  next(): Buffer | null {
    if (this.#buffer.length > MEMBER_BYTES) {
      this.#buffer = Buffer.allocUnsafe(MEMBER_BYTES);
    }
    for (;;) {
      const count = readFully(this.#file, this.#buffer, this.#offset);
      const read = this.#buffer.subarray(0, count);
      // A grown buffer holds a line that is a member of its own.
      const lineEnd = 1 + (count > MEMBER_BYTES ? read.indexOf(NEWLINE) : read.lastIndexOf(NEWLINE));
      if (lineEnd > 0 || count < this.#buffer.length) {
        const length = lineEnd > 0 ? lineEnd : count;
        this.#offset += length;
        return length > 0 ? this.#buffer.subarray(0, length) : null;
      }
      // No end of a line in it: the file was checked to be what the writer wrote, so this is as long as its longest line.
      this.#buffer = Buffer.allocUnsafe(this.#buffer.length * 2);
    }
  }
}

const FIRST_SEQ = /^\{"seq":(\d{1,16}),/;

function firstSeqOf(chunk: Buffer): number {
  const match = FIRST_SEQ.exec(chunk.toString('latin1', 0, 32));
  if (match === null) {
    throw new SealingError('unusable', 'a line of the raw file does not start with its seq');
  }
  return Number(match[1]);
}

/** Fills the buffer unless the file ends; resolves short reads. */
function readFully(file: ThreadFile, buffer: Buffer, position: number): number {
  let total = 0;
  while (total < buffer.length) {
    const count = file.read(buffer, total, buffer.length - total, position + total);
    if (count === 0) {
      break;
    }
    total += count;
  }
  return total;
}

function writeFully(file: ThreadFile, piece: Buffer, position: number): void {
  let total = 0;
  while (total < piece.length) {
    const count = file.write(piece, total, piece.length - total, position + total);
    if (count === 0) {
      throw Object.assign(new Error('ENOSPC: the write made no progress'), { code: 'ENOSPC' });
    }
    total += count;
  }
}
