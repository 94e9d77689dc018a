// Original file: protos/services/logging/v1/logging.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetSessionRequest as _logging_v1_GetSessionRequest, GetSessionRequest__Output as _logging_v1_GetSessionRequest__Output } from '../../logging/v1/GetSessionRequest.js';
import type { SessionInfo as _logging_v1_SessionInfo, SessionInfo__Output as _logging_v1_SessionInfo__Output } from '../../logging/v1/SessionInfo.js';

/**
 * Tells what is stored.
 */
export interface LogReaderClient extends grpc.Client {
  /**
   * How far a session has come: what a restarted agent needs to go on without its memory. All frames taken before the call are
   * made durable before it is answered, so `last_seq` and `producer_seq` name no frame that a crash can lose. With
   * LOG_FSYNC=never they are handed to the operating system: a crash of the server does not lose them, a power cut can.
   * NOT_FOUND: nothing is stored under that id. UNAVAILABLE, or RESOURCE_EXHAUSTED when the disk is full: what was taken can't be
   * made durable at the moment; ask again.
   */
  GetSession(argument: _logging_v1_GetSessionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_SessionInfo__Output>): grpc.ClientUnaryCall;
  GetSession(argument: _logging_v1_GetSessionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_logging_v1_SessionInfo__Output>): grpc.ClientUnaryCall;
  GetSession(argument: _logging_v1_GetSessionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_SessionInfo__Output>): grpc.ClientUnaryCall;
  GetSession(argument: _logging_v1_GetSessionRequest, callback: grpc.requestCallback<_logging_v1_SessionInfo__Output>): grpc.ClientUnaryCall;
  /**
   * How far a session has come: what a restarted agent needs to go on without its memory. All frames taken before the call are
   * made durable before it is answered, so `last_seq` and `producer_seq` name no frame that a crash can lose. With
   * LOG_FSYNC=never they are handed to the operating system: a crash of the server does not lose them, a power cut can.
   * NOT_FOUND: nothing is stored under that id. UNAVAILABLE, or RESOURCE_EXHAUSTED when the disk is full: what was taken can't be
   * made durable at the moment; ask again.
   */
  getSession(argument: _logging_v1_GetSessionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_SessionInfo__Output>): grpc.ClientUnaryCall;
  getSession(argument: _logging_v1_GetSessionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_logging_v1_SessionInfo__Output>): grpc.ClientUnaryCall;
  getSession(argument: _logging_v1_GetSessionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_SessionInfo__Output>): grpc.ClientUnaryCall;
  getSession(argument: _logging_v1_GetSessionRequest, callback: grpc.requestCallback<_logging_v1_SessionInfo__Output>): grpc.ClientUnaryCall;
  
}

/**
 * Tells what is stored.
 */
export interface LogReaderHandlers extends grpc.UntypedServiceImplementation {
  /**
   * How far a session has come: what a restarted agent needs to go on without its memory. All frames taken before the call are
   * made durable before it is answered, so `last_seq` and `producer_seq` name no frame that a crash can lose. With
   * LOG_FSYNC=never they are handed to the operating system: a crash of the server does not lose them, a power cut can.
   * NOT_FOUND: nothing is stored under that id. UNAVAILABLE, or RESOURCE_EXHAUSTED when the disk is full: what was taken can't be
   * made durable at the moment; ask again.
   */
  GetSession: grpc.handleUnaryCall<_logging_v1_GetSessionRequest__Output, _logging_v1_SessionInfo>;
  
}

export interface LogReaderDefinition extends grpc.ServiceDefinition {
  GetSession: MethodDefinition<_logging_v1_GetSessionRequest, _logging_v1_SessionInfo, _logging_v1_GetSessionRequest__Output, _logging_v1_SessionInfo__Output>
}
