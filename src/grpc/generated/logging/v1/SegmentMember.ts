// Original file: protos/services/logging/v1/logging.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Where a gzip file can be entered.
 */
export interface SegmentMember {
  'first_seq'?: (number | string | Long);
  'raw_offset'?: (number | string | Long);
  'compressed_offset'?: (number | string | Long);
}

/**
 * Where a gzip file can be entered.
 */
export interface SegmentMember__Output {
  'first_seq': (number);
  'raw_offset': (number);
  'compressed_offset': (number);
}
