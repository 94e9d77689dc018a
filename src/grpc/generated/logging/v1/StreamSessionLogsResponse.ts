// Original file: protos/services/logging/v1/logging.proto

import type { LogFrame as _logging_v1_LogFrame, LogFrame__Output as _logging_v1_LogFrame__Output } from '../../logging/v1/LogFrame.js';
import type { SessionEnd as _logging_v1_SessionEnd, SessionEnd__Output as _logging_v1_SessionEnd__Output } from '../../logging/v1/SessionEnd.js';
import type { SeqGap as _logging_v1_SeqGap, SeqGap__Output as _logging_v1_SeqGap__Output } from '../../logging/v1/SeqGap.js';

export interface StreamSessionLogsResponse {
  'frame'?: (_logging_v1_LogFrame | null);
  /**
   * The last message of a call that ended by itself.
   */
  'end'?: (_logging_v1_SessionEnd | null);
  /**
   * What was stored under these numbers is gone.
   */
  'gap'?: (_logging_v1_SeqGap | null);
  'event'?: "frame"|"end"|"gap";
}

export interface StreamSessionLogsResponse__Output {
  'frame'?: (_logging_v1_LogFrame__Output | null);
  /**
   * The last message of a call that ended by itself.
   */
  'end'?: (_logging_v1_SessionEnd__Output | null);
  /**
   * What was stored under these numbers is gone.
   */
  'gap'?: (_logging_v1_SeqGap__Output | null);
  'event'?: "frame"|"end"|"gap";
}
