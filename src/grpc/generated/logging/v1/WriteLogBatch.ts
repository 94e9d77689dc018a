// Original file: protos/services/logging/v1/logging.proto

import type { LogFrame as _logging_v1_LogFrame, LogFrame__Output as _logging_v1_LogFrame__Output } from '../../logging/v1/LogFrame.js';
import type { Long } from '@grpc/proto-loader';

export interface WriteLogBatch {
  /**
   * Increasing within a stream.
   */
  'batch_id'?: (number | string | Long);
  /**
   * At most 65,536.
   */
  'frames'?: (_logging_v1_LogFrame)[];
}

export interface WriteLogBatch__Output {
  /**
   * Increasing within a stream.
   */
  'batch_id': (number);
  /**
   * At most 65,536.
   */
  'frames': (_logging_v1_LogFrame__Output)[];
}
