/**
 * The record of a finished segment: the file beside it, the content of its announcement, the catalog's row.
 * Fields and their order are an on-disk format.
 */
import type { SealReason } from './sealed-segment.js';

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
