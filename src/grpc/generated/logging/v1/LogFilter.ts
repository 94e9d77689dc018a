// Original file: protos/services/logging/v1/logging.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.js';

/**
 * Lines that pass all of what is set; within one list any of them.
 */
export interface LogFilter {
  /**
   * Of metadata.level, case-insensitively.
   */
  'levels'?: (string)[];
  'roles'?: (string)[];
  'user_ids'?: (string)[];
  /**
   * In the content, case-insensitively; at most 250 characters each.
   */
  'keywords'?: (string)[];
  /**
   * Not before it.
   */
  'start_time'?: (_google_protobuf_Timestamp | null);
  /**
   * Before it.
   */
  'end_time'?: (_google_protobuf_Timestamp | null);
  /**
   * A regular expression that matches somewhere in the content.
   */
  'pattern'?: (string);
}

/**
 * Lines that pass all of what is set; within one list any of them.
 */
export interface LogFilter__Output {
  /**
   * Of metadata.level, case-insensitively.
   */
  'levels': (string)[];
  'roles': (string)[];
  'user_ids': (string)[];
  /**
   * In the content, case-insensitively; at most 250 characters each.
   */
  'keywords': (string)[];
  /**
   * Not before it.
   */
  'start_time': (_google_protobuf_Timestamp__Output | null);
  /**
   * Before it.
   */
  'end_time': (_google_protobuf_Timestamp__Output | null);
  /**
   * A regular expression that matches somewhere in the content.
   */
  'pattern': (string);
}
