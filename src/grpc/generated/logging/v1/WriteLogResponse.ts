// Original file: protos/services/logging/v1/logging.proto

import type { SessionRange as _logging_v1_SessionRange, SessionRange__Output as _logging_v1_SessionRange__Output } from '../../logging/v1/SessionRange.js';
import type { Long } from '@grpc/proto-loader';

export interface WriteLogResponse {
  /**
   * Every accepted frame, duplicates included.
   */
  'frames_received'?: (number);
  /**
   * "ACKNOWLEDGED".
   */
  'status'?: (string);
  'frames_written'?: (number | string | Long);
  'duplicates'?: (number | string | Long);
  /**
   * What this call stored, per session; of very many as many as fit into 3 MiB.
   */
  'sessions'?: (_logging_v1_SessionRange)[];
  /**
   * True: fdatasync'ed. False: handed to the operating system (LOG_FSYNC=never).
   */
  'durable'?: (boolean);
}

export interface WriteLogResponse__Output {
  /**
   * Every accepted frame, duplicates included.
   */
  'frames_received': (number);
  /**
   * "ACKNOWLEDGED".
   */
  'status': (string);
  'frames_written': (number);
  'duplicates': (number);
  /**
   * What this call stored, per session; of very many as many as fit into 3 MiB.
   */
  'sessions': (_logging_v1_SessionRange__Output)[];
  /**
   * True: fdatasync'ed. False: handed to the operating system (LOG_FSYNC=never).
   */
  'durable': (boolean);
}
