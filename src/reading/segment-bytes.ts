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
