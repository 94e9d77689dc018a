// Original file: protos/services/logging/v1/logging.proto

import type { Segment as _logging_v1_Segment, Segment__Output as _logging_v1_Segment__Output } from '../../logging/v1/Segment.js';

export interface ListSegmentsResponse {
  'segments'?: (_logging_v1_Segment)[];
  /**
   * Empty: this was the last page.
   */
  'next_page_token'?: (string);
}

export interface ListSegmentsResponse__Output {
  'segments': (_logging_v1_Segment__Output)[];
  /**
   * Empty: this was the last page.
   */
  'next_page_token': (string);
}
