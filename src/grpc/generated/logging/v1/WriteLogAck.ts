// Original file: protos/services/logging/v1/logging.proto

import type { SessionRange as _logging_v1_SessionRange, SessionRange__Output as _logging_v1_SessionRange__Output } from '../../logging/v1/SessionRange.js';
import type { FrameError as _logging_v1_FrameError, FrameError__Output as _logging_v1_FrameError__Output } from '../../logging/v1/FrameError.js';
import type { Long } from '@grpc/proto-loader';

export interface WriteLogAck {
  /**
   * This batch and all before it; -1 before the first one, when only `rejected` has come.
   */
  'batch_id'?: (number | string | Long);
  /**
   * True: fdatasync'ed. False: handed to the operating system (LOG_FSYNC=never).
   */
  'durable'?: (boolean);
  /**
   * What the batches since the last acknowledgement stored, per session.
   */
  'sessions'?: (_logging_v1_SessionRange)[];
  /**
   * Their frames that can never be stored, and those whose seq their session has used for another one. Of very many, some come
   * ahead, in acknowledgements of what was acknowledged before.
   */
  'rejected'?: (_logging_v1_FrameError)[];
  /**
   * Their frames that were stored before.
   */
  'duplicates'?: (number | string | Long);
}

export interface WriteLogAck__Output {
  /**
   * This batch and all before it; -1 before the first one, when only `rejected` has come.
   */
  'batch_id': (number);
  /**
   * True: fdatasync'ed. False: handed to the operating system (LOG_FSYNC=never).
   */
  'durable': (boolean);
  /**
   * What the batches since the last acknowledgement stored, per session.
   */
  'sessions': (_logging_v1_SessionRange__Output)[];
  /**
   * Their frames that can never be stored, and those whose seq their session has used for another one. Of very many, some come
   * ahead, in acknowledgements of what was acknowledged before.
   */
  'rejected': (_logging_v1_FrameError__Output)[];
  /**
   * Their frames that were stored before.
   */
  'duplicates': (number);
}
