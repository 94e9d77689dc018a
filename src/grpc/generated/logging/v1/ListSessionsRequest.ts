// Original file: protos/services/logging/v1/logging.proto


export interface ListSessionsRequest {
  /**
   * Only sessions whose id begins with it.
   */
  'prefix'?: (string);
  /**
   * At most 1,000; 0: 100.
   */
  'page_size'?: (number);
  /**
   * Empty: the first page.
   */
  'page_token'?: (string);
}

export interface ListSessionsRequest__Output {
  /**
   * Only sessions whose id begins with it.
   */
  'prefix': (string);
  /**
   * At most 1,000; 0: 100.
   */
  'page_size': (number);
  /**
   * Empty: the first page.
   */
  'page_token': (string);
}
