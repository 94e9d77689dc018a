// Original file: protos/services/logging/v1/logging.proto

import type { SessionInfo as _logging_v1_SessionInfo, SessionInfo__Output as _logging_v1_SessionInfo__Output } from '../../logging/v1/SessionInfo.js';

export interface ListSessionsResponse {
  'sessions'?: (_logging_v1_SessionInfo)[];
  /**
   * Empty: this was the last page.
   */
  'next_page_token'?: (string);
}

export interface ListSessionsResponse__Output {
  'sessions': (_logging_v1_SessionInfo__Output)[];
  /**
   * Empty: this was the last page.
   */
  'next_page_token': (string);
}
