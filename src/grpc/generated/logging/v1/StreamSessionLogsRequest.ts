// Original file: protos/services/logging/v1/logging.proto

import type { LogFilter as _logging_v1_LogFilter, LogFilter__Output as _logging_v1_LogFilter__Output } from '../../logging/v1/LogFilter.js';
import type { Long } from '@grpc/proto-loader';

export interface StreamSessionLogsRequest {
  /**
   * 1 to 1,024 bytes of UTF-8.
   */
  'session_id'?: (string);
  /**
   * Only lines above it. It may lie beyond the end.
   */
  'after_seq'?: (number | string | Long);
  /**
   * Begin with the last so many lines that are stored now; not together with after_seq. 0: all.
   */
  'tail'?: (number);
  /**
   * Go on with what is written from now on, until the session is completed.
   */
  'follow'?: (boolean);
  'filter'?: (_logging_v1_LogFilter | null);
}

export interface StreamSessionLogsRequest__Output {
  /**
   * 1 to 1,024 bytes of UTF-8.
   */
  'session_id': (string);
  /**
   * Only lines above it. It may lie beyond the end.
   */
  'after_seq': (number);
  /**
   * Begin with the last so many lines that are stored now; not together with after_seq. 0: all.
   */
  'tail': (number);
  /**
   * Go on with what is written from now on, until the session is completed.
   */
  'follow': (boolean);
  'filter': (_logging_v1_LogFilter__Output | null);
}
