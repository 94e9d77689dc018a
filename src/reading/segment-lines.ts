/** A sealed segment's lines from any seq on, raw or compressed. */
import type { GzipMember } from '../segment/manifest.js';
import { gzipLines } from './gzip-lines.js';
import type { InflatedMembers } from './inflated-members.js';
import type { LogLines } from './log-events.js';
import type { SegmentFile } from './plan.js';
import { type RawAccess, rawLines } from './raw-lines.js';
import { manifestOf } from './segment-bytes.js';

/** What reading a session needs at each step. */
export interface SegmentAccess extends RawAccess {
  readonly inflated: InflatedMembers;
  readonly sessionId: string;
}

/**
 * The chunks from the one on that may hold a line above `afterSeq`.
 * @throws NotALine when it is damaged; ENOENT when the file has moved on
 */
export async function* segmentLines(
  access: SegmentAccess,
  segment: SegmentFile,
  afterSeq: number,
): AsyncGenerator<LogLines, void> {
  const { files, inflated, sessionId, signal } = access;
  const { path } = segment;
  const file = files.file(path, signal);
  const bytes = await file.size();
  if (segment.isGzip) {
    const members = await membersOf(access, segment);
    yield* gzipLines(inflated, { sessionId, path, compressedBytes: bytes, members }, afterSeq, signal);
  } else {
    // Nothing has to be found in a segment that begins behind the cursor.
    yield* rawLines(
      access,
      { sessionId, path, firstSeq: null, end: bytes, grows: false },
      afterSeq < segment.firstSeq ? 0 : afterSeq,
    );
  }
}

/** Empty where no manifest says them. */
async function membersOf({ files, signal }: SegmentAccess, segment: SegmentFile): Promise<readonly GzipMember[]> {
  return (await files.step((disk) => manifestOf(disk, segment), signal))?.members ?? [];
}
