// Original file: protos/services/logging/v1/logging.proto

import type { Long } from '@grpc/proto-loader';

export interface SessionRange {
  'session_id'?: (string);
  'first_seq'?: (number | string | Long);
  'last_seq'?: (number | string | Long);
}

export interface SessionRange__Output {
  'session_id': (string);
  'first_seq': (number);
  'last_seq': (number);
}
