// Original file: protos/services/logging/v1/logging.proto


export interface CompleteSessionRequest {
  /**
   * 1 to 1,024 bytes of UTF-8.
   */
  'session_id'?: (string);
  /**
   * How it ended, for example "completed", "failed" or "stopped"; 1 to 256 bytes of UTF-8. Empty: "completed".
   */
  'status'?: (string);
  'exit_code'?: (number);
  '_exit_code'?: "exit_code";
}

export interface CompleteSessionRequest__Output {
  /**
   * 1 to 1,024 bytes of UTF-8.
   */
  'session_id': (string);
  /**
   * How it ended, for example "completed", "failed" or "stopped"; 1 to 256 bytes of UTF-8. Empty: "completed".
   */
  'status': (string);
  'exit_code'?: (number);
  '_exit_code'?: "exit_code";
}
