// Original file: protos/services/logging/v1/logging.proto

import type { Long } from '@grpc/proto-loader';

export interface CompleteSessionResponse {
  /**
   * Of the session, durably.
   */
  'last_seq'?: (number | string | Long);
}

export interface CompleteSessionResponse__Output {
  /**
   * Of the session, durably.
   */
  'last_seq': (number);
}
