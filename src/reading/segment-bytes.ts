/** The NDJSON of a segment as a stream of chunks, from the file or from some member of its gzip file on. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Files, OpenFile } from '../segment/files.js';
import type { Manifest } from '../segment/manifest.js';
import { readManifest } from '../segment/manifest-store.js';
import type { SegmentFile } from './plan.js';

const READ_BYTES = 128 * 1024;

/** The bytes of an open file from `position` to its end as it is when it is reached. */
export async function* fileBytes(file: OpenFile, position = 0): AsyncGenerator<Buffer, void> {
  let at = position;
  for (;;) {
    // A new buffer each time: the chunks belong to whoever takes them.
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const count = await file.read(buffer, 0, READ_BYTES, at);
    if (count === 0) {
      return;
    }
    at += count;
    yield buffer.subarray(0, count);
  }
}

/**
 * Whole segment, or from the last gzip member that cannot be skipped for lines above `afterSeq`. Lines at or below
 * `afterSeq` may be among them.
 * @throws ENOENT when the file has moved on
 */
export async function* segmentBytes(
  files: Files,
  segment: SegmentFile,
  afterSeq: number,
): AsyncGenerator<Buffer, void> {
  const file = await files.open(segment.path, 'read');
  try {
    if (segment.isGzip) {
      yield* inflated(fileBytes(file, await entryOffset(files, segment, afterSeq)));
    } else {
      yield* fileBytes(file);
    }
  } finally {
    await file.close();
  }
}

/**
 * Null while the segment has none yet, and when it cannot be read: to a reader it is an index, without which lines are
 * found a slower way.
 */
export async function manifestOf(files: Files, segment: SegmentFile): Promise<Manifest | null> {
  try {
    return await readManifest(files, segment.manifestPath);
  } catch {
    return null;
  }
}

async function entryOffset(files: Files, segment: SegmentFile, afterSeq: number): Promise<number> {
  if (afterSeq < segment.firstSeq) {
    return 0;
  }
  const members = (await manifestOf(files, segment))?.members ?? [];
  return members.findLast((member) => member.first_seq <= afterSeq + 1)?.compressed_offset ?? 0;
}

async function* inflated(compressed: AsyncGenerator<Buffer, void>): AsyncGenerator<Buffer, void> {
  const gunzip = createGunzip({ chunkSize: READ_BYTES });
  const feeding = pipeline(Readable.from(compressed), gunzip);
  // A failure also ends the loop below, which is where it is thrown; leaving the loop early counts as one here.
  feeding.catch(() => {});
  try {
    for await (const chunk of gunzip) {
      yield chunk as Buffer;
    }
  } finally {
    // Resolves behind a read that is still under way: only then may the file be closed.
    await compressed.return();
  }
}
