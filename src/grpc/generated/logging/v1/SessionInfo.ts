// Original file: protos/services/logging/v1/logging.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.js';
import type { Long } from '@grpc/proto-loader';

export interface SessionInfo {
  'session_id'?: (string);
  /**
   * What CompleteSession was told; else "active" while a segment is open or being sealed, and "idle".
   */
  'status'?: (string);
  /**
   * Of the oldest stored line; 0 when none can be read (all of them are in quarantine).
   */
  'first_seq'?: (number | string | Long);
  /**
   * The highest number that is used up, durably: an agent that numbers its frames goes on with the next one.
   */
  'last_seq'?: (number | string | Long);
  /**
   * Of the newest stored line, as it stands there.
   */
  'last_time'?: (_google_protobuf_Timestamp | null);
  /**
   * The active one included.
   */
  'segments'?: (number);
  /**
   * On the disk, compressed where they are.
   */
  'bytes'?: (number | string | Long);
  /**
   * What CompleteSession was told; absent while the session is not completed, and when it was told none.
   */
  'exit_code'?: (number);
  /**
   * The highest producer_seq of the asked producer, durably. 0: the session holds no mark of it; the 1,024 producers heard of
   * last are remembered.
   */
  'producer_seq'?: (number | string | Long);
  '_exit_code'?: "exit_code";
}

export interface SessionInfo__Output {
  'session_id': (string);
  /**
   * What CompleteSession was told; else "active" while a segment is open or being sealed, and "idle".
   */
  'status': (string);
  /**
   * Of the oldest stored line; 0 when none can be read (all of them are in quarantine).
   */
  'first_seq': (number);
  /**
   * The highest number that is used up, durably: an agent that numbers its frames goes on with the next one.
   */
  'last_seq': (number);
  /**
   * Of the newest stored line, as it stands there.
   */
  'last_time': (_google_protobuf_Timestamp__Output | null);
  /**
   * The active one included.
   */
  'segments': (number);
  /**
   * On the disk, compressed where they are.
   */
  'bytes': (number);
  /**
   * What CompleteSession was told; absent while the session is not completed, and when it was told none.
   */
  'exit_code'?: (number);
  /**
   * The highest producer_seq of the asked producer, durably. 0: the session holds no mark of it; the 1,024 producers heard of
   * last are remembered.
   */
  'producer_seq': (number);
  '_exit_code'?: "exit_code";
}
