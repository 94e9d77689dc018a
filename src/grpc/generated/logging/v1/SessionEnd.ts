// Original file: protos/services/logging/v1/logging.proto

import type { Long } from '@grpc/proto-loader';

export interface SessionEnd {
  /**
   * What CompleteSession was told; else "active" or "idle", as in SessionInfo.
   */
  'status'?: (string);
  'exit_code'?: (number);
  /**
   * Of the session, then.
   */
  'last_seq'?: (number | string | Long);
  '_exit_code'?: "exit_code";
}

export interface SessionEnd__Output {
  /**
   * What CompleteSession was told; else "active" or "idle", as in SessionInfo.
   */
  'status': (string);
  'exit_code'?: (number);
  /**
   * Of the session, then.
   */
  'last_seq': (number);
  '_exit_code'?: "exit_code";
}
