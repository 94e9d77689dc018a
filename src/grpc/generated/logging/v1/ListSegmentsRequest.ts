// Original file: protos/services/logging/v1/logging.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.js';

export interface ListSegmentsRequest {
  /**
   * Empty: of all sessions.
   */
  'session_id'?: (string);
  /**
   * Only segments that were sealed at or after it: seals have whole seconds.
   */
  'sealed_after'?: (_google_protobuf_Timestamp | null);
  /**
   * At most 1,000; 0: 100.
   */
  'page_size'?: (number);
  /**
   * Empty: the first page.
   */
  'page_token'?: (string);
}

export interface ListSegmentsRequest__Output {
  /**
   * Empty: of all sessions.
   */
  'session_id': (string);
  /**
   * Only segments that were sealed at or after it: seals have whole seconds.
   */
  'sealed_after': (_google_protobuf_Timestamp__Output | null);
  /**
   * At most 1,000; 0: 100.
   */
  'page_size': (number);
  /**
   * Empty: the first page.
   */
  'page_token': (string);
}
