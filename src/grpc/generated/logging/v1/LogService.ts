// Original file: protos/services/logging/v1/logging.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CompleteSessionRequest as _logging_v1_CompleteSessionRequest, CompleteSessionRequest__Output as _logging_v1_CompleteSessionRequest__Output } from '../../logging/v1/CompleteSessionRequest.js';
import type { CompleteSessionResponse as _logging_v1_CompleteSessionResponse, CompleteSessionResponse__Output as _logging_v1_CompleteSessionResponse__Output } from '../../logging/v1/CompleteSessionResponse.js';
import type { LogFrame as _logging_v1_LogFrame, LogFrame__Output as _logging_v1_LogFrame__Output } from '../../logging/v1/LogFrame.js';
import type { WriteLogAck as _logging_v1_WriteLogAck, WriteLogAck__Output as _logging_v1_WriteLogAck__Output } from '../../logging/v1/WriteLogAck.js';
import type { WriteLogBatch as _logging_v1_WriteLogBatch, WriteLogBatch__Output as _logging_v1_WriteLogBatch__Output } from '../../logging/v1/WriteLogBatch.js';
import type { WriteLogResponse as _logging_v1_WriteLogResponse, WriteLogResponse__Output as _logging_v1_WriteLogResponse__Output } from '../../logging/v1/WriteLogResponse.js';

/**
 * Takes frames in.
 */
export interface LogServiceClient extends grpc.Client {
  /**
   * The session is over: its segment is sealed, `log_completion` is announced, and every tail ends with the status. It covers every
   * frame that was taken before the call. When it is answered, the lines and how the session ended are durable and survive restarts;
   * the announcement follows, behind those of the session's segments. Frames that come afterwards are still stored, in a new segment,
   * and open the session again. A repeated call with the same status and exit code changes nothing.
   * NOT_FOUND: nothing is stored under that id. ALREADY_EXISTS: it was completed at this line with another status or exit code,
   * which are named. UNAVAILABLE, or RESOURCE_EXHAUSTED when the disk is full: it may be completed or not; call again.
   */
  CompleteSession(argument: _logging_v1_CompleteSessionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_CompleteSessionResponse__Output>): grpc.ClientUnaryCall;
  CompleteSession(argument: _logging_v1_CompleteSessionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_logging_v1_CompleteSessionResponse__Output>): grpc.ClientUnaryCall;
  CompleteSession(argument: _logging_v1_CompleteSessionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_CompleteSessionResponse__Output>): grpc.ClientUnaryCall;
  CompleteSession(argument: _logging_v1_CompleteSessionRequest, callback: grpc.requestCallback<_logging_v1_CompleteSessionResponse__Output>): grpc.ClientUnaryCall;
  /**
   * The session is over: its segment is sealed, `log_completion` is announced, and every tail ends with the status. It covers every
   * frame that was taken before the call. When it is answered, the lines and how the session ended are durable and survive restarts;
   * the announcement follows, behind those of the session's segments. Frames that come afterwards are still stored, in a new segment,
   * and open the session again. A repeated call with the same status and exit code changes nothing.
   * NOT_FOUND: nothing is stored under that id. ALREADY_EXISTS: it was completed at this line with another status or exit code,
   * which are named. UNAVAILABLE, or RESOURCE_EXHAUSTED when the disk is full: it may be completed or not; call again.
   */
  completeSession(argument: _logging_v1_CompleteSessionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_CompleteSessionResponse__Output>): grpc.ClientUnaryCall;
  completeSession(argument: _logging_v1_CompleteSessionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_logging_v1_CompleteSessionResponse__Output>): grpc.ClientUnaryCall;
  completeSession(argument: _logging_v1_CompleteSessionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_CompleteSessionResponse__Output>): grpc.ClientUnaryCall;
  completeSession(argument: _logging_v1_CompleteSessionRequest, callback: grpc.requestCallback<_logging_v1_CompleteSessionResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Batches in, cumulative acknowledgements out: an acknowledgement means durable. A frame that can never be stored is named
   * in the acknowledgement, and the stream goes on. This is what an agent that must not lose a frame uses. A batch may have 256 KiB,
   * or four times LOG_MAX_FRAME_BYTES where that is more.
   */
  WriteLogBatches(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_logging_v1_WriteLogBatch, _logging_v1_WriteLogAck__Output>;
  WriteLogBatches(options?: grpc.CallOptions): grpc.ClientDuplexStream<_logging_v1_WriteLogBatch, _logging_v1_WriteLogAck__Output>;
  /**
   * Batches in, cumulative acknowledgements out: an acknowledgement means durable. A frame that can never be stored is named
   * in the acknowledgement, and the stream goes on. This is what an agent that must not lose a frame uses. A batch may have 256 KiB,
   * or four times LOG_MAX_FRAME_BYTES where that is more.
   */
  writeLogBatches(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_logging_v1_WriteLogBatch, _logging_v1_WriteLogAck__Output>;
  writeLogBatches(options?: grpc.CallOptions): grpc.ClientDuplexStream<_logging_v1_WriteLogBatch, _logging_v1_WriteLogAck__Output>;
  
  /**
   * Frames in, one response when the client half-closes, sent only when every frame of the stream is as durable as
   * LOG_FSYNC promises. One stream may carry many sessions; one session may come over many streams.
   * The first invalid frame ends the call with INVALID_ARGUMENT naming its index and field, after every earlier frame is
   * durable; how many were stored stands in the trailer `logweir-frames-written`. A frame whose seq its session has used for
   * another one ends it in the same way with ALREADY_EXISTS; the session's last seq stands in the trailer `logweir-last-seq`.
   */
  WriteLogStream(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_WriteLogResponse__Output>): grpc.ClientWritableStream<_logging_v1_LogFrame>;
  WriteLogStream(metadata: grpc.Metadata, callback: grpc.requestCallback<_logging_v1_WriteLogResponse__Output>): grpc.ClientWritableStream<_logging_v1_LogFrame>;
  WriteLogStream(options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_WriteLogResponse__Output>): grpc.ClientWritableStream<_logging_v1_LogFrame>;
  WriteLogStream(callback: grpc.requestCallback<_logging_v1_WriteLogResponse__Output>): grpc.ClientWritableStream<_logging_v1_LogFrame>;
  /**
   * Frames in, one response when the client half-closes, sent only when every frame of the stream is as durable as
   * LOG_FSYNC promises. One stream may carry many sessions; one session may come over many streams.
   * The first invalid frame ends the call with INVALID_ARGUMENT naming its index and field, after every earlier frame is
   * durable; how many were stored stands in the trailer `logweir-frames-written`. A frame whose seq its session has used for
   * another one ends it in the same way with ALREADY_EXISTS; the session's last seq stands in the trailer `logweir-last-seq`.
   */
  writeLogStream(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_WriteLogResponse__Output>): grpc.ClientWritableStream<_logging_v1_LogFrame>;
  writeLogStream(metadata: grpc.Metadata, callback: grpc.requestCallback<_logging_v1_WriteLogResponse__Output>): grpc.ClientWritableStream<_logging_v1_LogFrame>;
  writeLogStream(options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_WriteLogResponse__Output>): grpc.ClientWritableStream<_logging_v1_LogFrame>;
  writeLogStream(callback: grpc.requestCallback<_logging_v1_WriteLogResponse__Output>): grpc.ClientWritableStream<_logging_v1_LogFrame>;
  
}

/**
 * Takes frames in.
 */
export interface LogServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * The session is over: its segment is sealed, `log_completion` is announced, and every tail ends with the status. It covers every
   * frame that was taken before the call. When it is answered, the lines and how the session ended are durable and survive restarts;
   * the announcement follows, behind those of the session's segments. Frames that come afterwards are still stored, in a new segment,
   * and open the session again. A repeated call with the same status and exit code changes nothing.
   * NOT_FOUND: nothing is stored under that id. ALREADY_EXISTS: it was completed at this line with another status or exit code,
   * which are named. UNAVAILABLE, or RESOURCE_EXHAUSTED when the disk is full: it may be completed or not; call again.
   */
  CompleteSession: grpc.handleUnaryCall<_logging_v1_CompleteSessionRequest__Output, _logging_v1_CompleteSessionResponse>;
  
  /**
   * Batches in, cumulative acknowledgements out: an acknowledgement means durable. A frame that can never be stored is named
   * in the acknowledgement, and the stream goes on. This is what an agent that must not lose a frame uses. A batch may have 256 KiB,
   * or four times LOG_MAX_FRAME_BYTES where that is more.
   */
  WriteLogBatches: grpc.handleBidiStreamingCall<_logging_v1_WriteLogBatch__Output, _logging_v1_WriteLogAck>;
  
  /**
   * Frames in, one response when the client half-closes, sent only when every frame of the stream is as durable as
   * LOG_FSYNC promises. One stream may carry many sessions; one session may come over many streams.
   * The first invalid frame ends the call with INVALID_ARGUMENT naming its index and field, after every earlier frame is
   * durable; how many were stored stands in the trailer `logweir-frames-written`. A frame whose seq its session has used for
   * another one ends it in the same way with ALREADY_EXISTS; the session's last seq stands in the trailer `logweir-last-seq`.
   */
  WriteLogStream: grpc.handleClientStreamingCall<_logging_v1_LogFrame__Output, _logging_v1_WriteLogResponse>;
  
}

export interface LogServiceDefinition extends grpc.ServiceDefinition {
  CompleteSession: MethodDefinition<_logging_v1_CompleteSessionRequest, _logging_v1_CompleteSessionResponse, _logging_v1_CompleteSessionRequest__Output, _logging_v1_CompleteSessionResponse__Output>
  WriteLogBatches: MethodDefinition<_logging_v1_WriteLogBatch, _logging_v1_WriteLogAck, _logging_v1_WriteLogBatch__Output, _logging_v1_WriteLogAck__Output>
  WriteLogStream: MethodDefinition<_logging_v1_LogFrame, _logging_v1_WriteLogResponse, _logging_v1_LogFrame__Output, _logging_v1_WriteLogResponse__Output>
}
