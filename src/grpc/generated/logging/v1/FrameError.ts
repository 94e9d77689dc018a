// Original file: protos/services/logging/v1/logging.proto

import type { Long } from '@grpc/proto-loader';

export interface FrameError {
  'batch_id'?: (number | string | Long);
  /**
   * Counted from 0 within the batch.
   */
  'index'?: (number);
  /**
   * A field of LogFrame, or `frame` when the whole of it is at fault.
   */
  'field'?: (string);
  'reason'?: (string);
}

export interface FrameError__Output {
  'batch_id': (number);
  /**
   * Counted from 0 within the batch.
   */
  'index': (number);
  /**
   * A field of LogFrame, or `frame` when the whole of it is at fault.
   */
  'field': (string);
  'reason': (string);
}
