// Original file: protos/services/logging/v1/logging.proto


export interface GetSessionRequest {
  /**
   * 1 to 1,024 bytes of UTF-8.
   */
  'session_id'?: (string);
  /**
   * Whose mark to tell; at most 256 bytes. Empty: nobody's.
   */
  'producer_id'?: (string);
}

export interface GetSessionRequest__Output {
  /**
   * 1 to 1,024 bytes of UTF-8.
   */
  'session_id': (string);
  /**
   * Whose mark to tell; at most 256 bytes. Empty: nobody's.
   */
  'producer_id': (string);
}
