// Original file: protos/services/logging/v1/logging.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.js';
import type { Struct as _google_protobuf_Struct, Struct__Output as _google_protobuf_Struct__Output } from '../../google/protobuf/Struct.js';
import type { Long } from '@grpc/proto-loader';

/**
 * One entry of a session's log.
 */
export interface LogFrame {
  'version'?: (number);
  /**
   * 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z; absent: the server's clock.
   */
  'time'?: (_google_protobuf_Timestamp | null);
  /**
   * 1 to 1,024 bytes of UTF-8.
   */
  'session_id'?: (string);
  'user_id'?: (string);
  'role'?: (string);
  /**
   * 0 or absent: the service assigns the next one. At most 2^53-1. At or below the session's last seq the frame is a duplicate
   * when it equals the one that is stored under the number (of a frame without a time, all but the time), and else refused.
   */
  'seq'?: (number | string | Long);
  'content'?: (string);
  'metadata'?: (_google_protobuf_Struct | null);
  /**
   * Who of several writers into one session produced this frame; at most 256 bytes.
   */
  'producer_id'?: (string);
  /**
   * The producer's own count, increasing; 0 or absent: none. At most 2^53-1.
   */
  'producer_seq'?: (number | string | Long);
}

/**
 * One entry of a session's log.
 */
export interface LogFrame__Output {
  'version': (number);
  /**
   * 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z; absent: the server's clock.
   */
  'time': (_google_protobuf_Timestamp__Output | null);
  /**
   * 1 to 1,024 bytes of UTF-8.
   */
  'session_id': (string);
  'user_id': (string);
  'role': (string);
  /**
   * 0 or absent: the service assigns the next one. At most 2^53-1. At or below the session's last seq the frame is a duplicate
   * when it equals the one that is stored under the number (of a frame without a time, all but the time), and else refused.
   */
  'seq': (number);
  'content': (string);
  'metadata': (_google_protobuf_Struct__Output | null);
  /**
   * Who of several writers into one session produced this frame; at most 256 bytes.
   */
  'producer_id': (string);
  /**
   * The producer's own count, increasing; 0 or absent: none. At most 2^53-1.
   */
  'producer_seq': (number);
}
