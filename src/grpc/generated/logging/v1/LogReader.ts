// Original file: protos/services/logging/v1/logging.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetSessionRequest as _logging_v1_GetSessionRequest, GetSessionRequest__Output as _logging_v1_GetSessionRequest__Output } from '../../logging/v1/GetSessionRequest.js';
import type { ListSegmentsRequest as _logging_v1_ListSegmentsRequest, ListSegmentsRequest__Output as _logging_v1_ListSegmentsRequest__Output } from '../../logging/v1/ListSegmentsRequest.js';
import type { ListSegmentsResponse as _logging_v1_ListSegmentsResponse, ListSegmentsResponse__Output as _logging_v1_ListSegmentsResponse__Output } from '../../logging/v1/ListSegmentsResponse.js';
import type { ListSessionsRequest as _logging_v1_ListSessionsRequest, ListSessionsRequest__Output as _logging_v1_ListSessionsRequest__Output } from '../../logging/v1/ListSessionsRequest.js';
import type { ListSessionsResponse as _logging_v1_ListSessionsResponse, ListSessionsResponse__Output as _logging_v1_ListSessionsResponse__Output } from '../../logging/v1/ListSessionsResponse.js';
import type { SessionInfo as _logging_v1_SessionInfo, SessionInfo__Output as _logging_v1_SessionInfo__Output } from '../../logging/v1/SessionInfo.js';
import type { StreamSessionLogsRequest as _logging_v1_StreamSessionLogsRequest, StreamSessionLogsRequest__Output as _logging_v1_StreamSessionLogsRequest__Output } from '../../logging/v1/StreamSessionLogsRequest.js';
import type { StreamSessionLogsResponse as _logging_v1_StreamSessionLogsResponse, StreamSessionLogsResponse__Output as _logging_v1_StreamSessionLogsResponse__Output } from '../../logging/v1/StreamSessionLogsResponse.js';

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
  
  /**
   * Finished segments, oldest seal first, a page at a time: what a consumer compares with the events that it has had.
   */
  ListSegments(argument: _logging_v1_ListSegmentsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_ListSegmentsResponse__Output>): grpc.ClientUnaryCall;
  ListSegments(argument: _logging_v1_ListSegmentsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_logging_v1_ListSegmentsResponse__Output>): grpc.ClientUnaryCall;
  ListSegments(argument: _logging_v1_ListSegmentsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_ListSegmentsResponse__Output>): grpc.ClientUnaryCall;
  ListSegments(argument: _logging_v1_ListSegmentsRequest, callback: grpc.requestCallback<_logging_v1_ListSegmentsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Finished segments, oldest seal first, a page at a time: what a consumer compares with the events that it has had.
   */
  listSegments(argument: _logging_v1_ListSegmentsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_ListSegmentsResponse__Output>): grpc.ClientUnaryCall;
  listSegments(argument: _logging_v1_ListSegmentsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_logging_v1_ListSegmentsResponse__Output>): grpc.ClientUnaryCall;
  listSegments(argument: _logging_v1_ListSegmentsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_ListSegmentsResponse__Output>): grpc.ClientUnaryCall;
  listSegments(argument: _logging_v1_ListSegmentsRequest, callback: grpc.requestCallback<_logging_v1_ListSegmentsResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * All sessions, a page at a time, by their names on disk.
   */
  ListSessions(argument: _logging_v1_ListSessionsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_ListSessionsResponse__Output>): grpc.ClientUnaryCall;
  ListSessions(argument: _logging_v1_ListSessionsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_logging_v1_ListSessionsResponse__Output>): grpc.ClientUnaryCall;
  ListSessions(argument: _logging_v1_ListSessionsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_ListSessionsResponse__Output>): grpc.ClientUnaryCall;
  ListSessions(argument: _logging_v1_ListSessionsRequest, callback: grpc.requestCallback<_logging_v1_ListSessionsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * All sessions, a page at a time, by their names on disk.
   */
  listSessions(argument: _logging_v1_ListSessionsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_ListSessionsResponse__Output>): grpc.ClientUnaryCall;
  listSessions(argument: _logging_v1_ListSessionsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_logging_v1_ListSessionsResponse__Output>): grpc.ClientUnaryCall;
  listSessions(argument: _logging_v1_ListSessionsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_logging_v1_ListSessionsResponse__Output>): grpc.ClientUnaryCall;
  listSessions(argument: _logging_v1_ListSessionsRequest, callback: grpc.requestCallback<_logging_v1_ListSessionsResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * The lines of a session from a place on, each once and in order, however slow the reader is: finished segments, the active one, and
   * with `follow` what is written from then on. Ends with `end`. NOT_FOUND: nothing is stored under that id.
   * INVALID_ARGUMENT: a number, a time or the pattern can't be used; the message names the field.
   */
  StreamSessionLogs(argument: _logging_v1_StreamSessionLogsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_logging_v1_StreamSessionLogsResponse__Output>;
  StreamSessionLogs(argument: _logging_v1_StreamSessionLogsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_logging_v1_StreamSessionLogsResponse__Output>;
  /**
   * The lines of a session from a place on, each once and in order, however slow the reader is: finished segments, the active one, and
   * with `follow` what is written from then on. Ends with `end`. NOT_FOUND: nothing is stored under that id.
   * INVALID_ARGUMENT: a number, a time or the pattern can't be used; the message names the field.
   */
  streamSessionLogs(argument: _logging_v1_StreamSessionLogsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_logging_v1_StreamSessionLogsResponse__Output>;
  streamSessionLogs(argument: _logging_v1_StreamSessionLogsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_logging_v1_StreamSessionLogsResponse__Output>;
  
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
  
  /**
   * Finished segments, oldest seal first, a page at a time: what a consumer compares with the events that it has had.
   */
  ListSegments: grpc.handleUnaryCall<_logging_v1_ListSegmentsRequest__Output, _logging_v1_ListSegmentsResponse>;
  
  /**
   * All sessions, a page at a time, by their names on disk.
   */
  ListSessions: grpc.handleUnaryCall<_logging_v1_ListSessionsRequest__Output, _logging_v1_ListSessionsResponse>;
  
  /**
   * The lines of a session from a place on, each once and in order, however slow the reader is: finished segments, the active one, and
   * with `follow` what is written from then on. Ends with `end`. NOT_FOUND: nothing is stored under that id.
   * INVALID_ARGUMENT: a number, a time or the pattern can't be used; the message names the field.
   */
  StreamSessionLogs: grpc.handleServerStreamingCall<_logging_v1_StreamSessionLogsRequest__Output, _logging_v1_StreamSessionLogsResponse>;
  
}

export interface LogReaderDefinition extends grpc.ServiceDefinition {
  GetSession: MethodDefinition<_logging_v1_GetSessionRequest, _logging_v1_SessionInfo, _logging_v1_GetSessionRequest__Output, _logging_v1_SessionInfo__Output>
  ListSegments: MethodDefinition<_logging_v1_ListSegmentsRequest, _logging_v1_ListSegmentsResponse, _logging_v1_ListSegmentsRequest__Output, _logging_v1_ListSegmentsResponse__Output>
  ListSessions: MethodDefinition<_logging_v1_ListSessionsRequest, _logging_v1_ListSessionsResponse, _logging_v1_ListSessionsRequest__Output, _logging_v1_ListSessionsResponse__Output>
  StreamSessionLogs: MethodDefinition<_logging_v1_StreamSessionLogsRequest, _logging_v1_StreamSessionLogsResponse, _logging_v1_StreamSessionLogsRequest__Output, _logging_v1_StreamSessionLogsResponse__Output>
}
