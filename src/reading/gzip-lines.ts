/** A compressed segment's lines from any seq on, entered at the member that holds it. */
import type { GzipMember } from '../segment/manifest.js';
import type { InflatedMember, InflatedMembers } from './inflated-members.js';
import type { LogLines } from './log-events.js';
import { unlessAborted } from './read-places.js';

export interface GzipPlace {
  readonly sessionId: string;
  readonly path: string;
  readonly compressedBytes: number;
  /** By the manifest; empty when there is none: then the members are found one after the other. */
  readonly members: readonly GzipMember[];
}

/**
 * The chunks from the one on that may hold a line above `afterSeq`.
 * @throws NotALine when a member is damaged; ENOENT when the file has moved on
 */
export async function* gzipLines(
  inflated: InflatedMembers,
  { sessionId, path, compressedBytes, members }: GzipPlace,
  afterSeq: number,
  signal?: AbortSignal,
): AsyncGenerator<LogLines, void> {
  let index = Math.max(
    0,
    members.findLastIndex((member) => member.first_seq <= afterSeq + 1),
  );
  let compressedOffset = members[index]?.compressed_offset ?? 0;
  let reached = afterSeq;
  while (compressedOffset < compressedBytes) {
    const compressedEnd = members[index + 1]?.compressed_offset ?? compressedBytes;
    // The member itself is not held while somebody looks at one of its chunks.
    const { chunk, nextOffset } = chunkAbove(
      await unlessAborted(inflated.get({ sessionId, path, compressedOffset, compressedEnd }), signal),
      compressedOffset,
      reached,
    );
    if (chunk !== null) {
      reached = chunk.lastSeq;
      yield chunk;
    }
    if (nextOffset !== compressedOffset) {
      compressedOffset = nextOffset;
      index++;
    }
  }
}

function chunkAbove(
  member: InflatedMember,
  offset: number,
  seq: number,
): { readonly chunk: LogLines | null; readonly nextOffset: number } {
  const chunk = member.chunks.find(({ lastSeq }) => lastSeq > seq) ?? null;
  const isLast = chunk === null || chunk === member.chunks.at(-1);
  return { chunk, nextOffset: isLast ? offset + member.compressedBytes : offset };
}
