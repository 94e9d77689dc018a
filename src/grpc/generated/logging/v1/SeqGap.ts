// Original file: protos/services/logging/v1/logging.proto

import type { Long } from '@grpc/proto-loader';

export interface SeqGap {
  'first_seq'?: (number | string | Long);
  'last_seq'?: (number | string | Long);
}

export interface SeqGap__Output {
  'first_seq': (number);
  'last_seq': (number);
}
