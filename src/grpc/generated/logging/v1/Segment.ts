// Original file: protos/services/logging/v1/logging.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.js';
import type { SegmentMember as _logging_v1_SegmentMember, SegmentMember__Output as _logging_v1_SegmentMember__Output } from '../../logging/v1/SegmentMember.js';
import type { Long } from '@grpc/proto-loader';

/**
 * A finished segment's manifest.
 */
export interface Segment {
  /**
   * `<session_id>/<first_seq>-<last_seq>`
   */
  'id'?: (string);
  'session_id'?: (string);
  'first_seq'?: (number | string | Long);
  'last_seq'?: (number | string | Long);
  'frames'?: (number | string | Long);
  'gaps'?: (number | string | Long);
  'first_time'?: (_google_protobuf_Timestamp | null);
  'last_time'?: (_google_protobuf_Timestamp | null);
  /**
   * Of the NDJSON.
   */
  'bytes'?: (number | string | Long);
  'sha256'?: (string);
  /**
   * Of the segment before it; empty for the first.
   */
  'prev_sha256'?: (string);
  /**
   * "gzip" or "none".
   */
  'compression'?: (string);
  'compressed_bytes'?: (number | string | Long);
  'members'?: (_logging_v1_SegmentMember)[];
  /**
   * Relative to LOG_DIR.
   */
  'path'?: (string);
  'sealed_at'?: (_google_protobuf_Timestamp | null);
  /**
   * "size", "age", "idle", "complete" or "recovery".
   */
  'reason'?: (string);
  'producers'?: ({[key: string]: number | string | Long});
  'format_version'?: (number);
}

/**
 * A finished segment's manifest.
 */
export interface Segment__Output {
  /**
   * `<session_id>/<first_seq>-<last_seq>`
   */
  'id': (string);
  'session_id': (string);
  'first_seq': (number);
  'last_seq': (number);
  'frames': (number);
  'gaps': (number);
  'first_time': (_google_protobuf_Timestamp__Output | null);
  'last_time': (_google_protobuf_Timestamp__Output | null);
  /**
   * Of the NDJSON.
   */
  'bytes': (number);
  'sha256': (string);
  /**
   * Of the segment before it; empty for the first.
   */
  'prev_sha256': (string);
  /**
   * "gzip" or "none".
   */
  'compression': (string);
  'compressed_bytes': (number);
  'members': (_logging_v1_SegmentMember__Output)[];
  /**
   * Relative to LOG_DIR.
   */
  'path': (string);
  'sealed_at': (_google_protobuf_Timestamp__Output | null);
  /**
   * "size", "age", "idle", "complete" or "recovery".
   */
  'reason': (string);
  'producers': ({[key: string]: number});
  'format_version': (number);
}
