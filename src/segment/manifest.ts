/**
 * The record of a finished segment: the file beside it, the content of its announcement, the catalog's row.
 * Fields and their order are an on-disk format.
 */
import { posix } from 'node:path';
import { GZIP_SUFFIX, RAW_SUFFIX, type SegmentName, segmentName, sessionName } from './layout.js';
import type { SealedSegment, SealReason } from './sealed-segment.js';

export const MANIFEST_FORMAT_VERSION = 1;

export interface Manifest {
  /** `<session_id>/<first_seq>-<last_seq>` */
  readonly id: string;
  readonly session_id: string;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly frames: number;
  /** Numbers between first_seq and last_seq that no frame carries. */
  readonly gaps: number;
  /** The `time` of the first and of the last line, as they stand there. */
  readonly first_time: string;
  readonly last_time: string;
  /** Of the NDJSON. */
  readonly bytes: number;
  /** Of the NDJSON, hex. */
  readonly sha256: string;
  /** `sha256` of the session's segment before this one; null for its first. */
  readonly prev_sha256: string | null;
  readonly compression: 'gzip' | 'none';
  /** Of the file at `path`. */
  readonly compressed_bytes: number;
  /** Where the gzip file can be entered; empty when compression is `none`. */
  readonly members: readonly GzipMember[];
  /** Relative to LOG_DIR, with `/`. */
  readonly path: string;
  /** RFC 3339, UTC, whole seconds. */
  readonly sealed_at: string;
  readonly reason: SealReason;
  /** Highest producer_seq by producer_id, carried forward from segment to segment. */
  readonly producers: Readonly<Record<string, number>>;
  readonly format_version: number;
}

/** A gzip member holds whole lines. */
export interface GzipMember {
  readonly first_seq: number;
  /** Where its first line starts in the NDJSON. */
  readonly raw_offset: number;
  /** Where the member starts in the gzip file. */
  readonly compressed_offset: number;
}

export function manifestId(sessionId: string, firstSeq: number, lastSeq: number): string {
  return `${sessionId}/${firstSeq}-${lastSeq}`;
}

/** What a segment's finished file holds. */
export interface FinishedContent {
  /** Of the NDJSON, hex. */
  readonly sha256: string;
  readonly compressedBytes: number;
  readonly members: readonly GzipMember[];
}

export function manifestOf(
  { summary, sealedAtMs, reason }: Omit<SealedSegment, 'rawPath'>,
  compression: 'gzip' | 'none',
  content: FinishedContent,
  previousSha256: string | null,
): Manifest {
  const { sessionId, firstSeq, lastSeq, frames } = summary;
  return {
    id: manifestId(sessionId, firstSeq, lastSeq),
    session_id: sessionId,
    first_seq: firstSeq,
    last_seq: lastSeq,
    frames,
    gaps: lastSeq - firstSeq + 1 - frames,
    first_time: summary.firstTime,
    last_time: summary.lastTime,
    bytes: summary.bytes,
    sha256: content.sha256,
    prev_sha256: previousSha256,
    compression,
    compressed_bytes: content.compressedBytes,
    members: content.members,
    path: finishedPath(sessionId, { firstSeq, lastSeq, sealedAtMs }, compression),
    sealed_at: stampOf(sealedAtMs),
    reason,
    // fromEntries defines own properties: a producer may be called __proto__.
    producers: Object.fromEntries(summary.producers),
    format_version: MANIFEST_FORMAT_VERSION,
  };
}

/** Whether a manifest says what its place and its name say: one that was damaged or misplaced may still parse. */
export function manifestFits(manifest: Manifest, sessionId: string, name: SegmentName): boolean {
  const { firstSeq, lastSeq, sealedAtMs } = name;
  return (
    manifest.session_id === sessionId &&
    manifest.id === manifestId(sessionId, firstSeq, lastSeq) &&
    manifest.first_seq === firstSeq &&
    manifest.last_seq === lastSeq &&
    manifest.frames + manifest.gaps === lastSeq - firstSeq + 1 &&
    manifest.path === finishedPath(sessionId, name, manifest.compression) &&
    manifest.sealed_at === stampOf(sealedAtMs)
  );
}

/** Relative to LOG_DIR. */
function finishedPath(sessionId: string, name: SegmentName, compression: 'gzip' | 'none'): string {
  const suffix = compression === 'gzip' ? GZIP_SUFFIX : RAW_SUFFIX;
  return posix.join('sessions', sessionName(sessionId), segmentName(name) + suffix);
}

function stampOf(sealedAtMs: number): string {
  return new Date(sealedAtMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
