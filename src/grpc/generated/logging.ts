import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { ListValue as _google_protobuf_ListValue, ListValue__Output as _google_protobuf_ListValue__Output } from './google/protobuf/ListValue.js';
import type { Struct as _google_protobuf_Struct, Struct__Output as _google_protobuf_Struct__Output } from './google/protobuf/Struct.js';
import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from './google/protobuf/Timestamp.js';
import type { Value as _google_protobuf_Value, Value__Output as _google_protobuf_Value__Output } from './google/protobuf/Value.js';
import type { CompleteSessionRequest as _logging_v1_CompleteSessionRequest, CompleteSessionRequest__Output as _logging_v1_CompleteSessionRequest__Output } from './logging/v1/CompleteSessionRequest.js';
import type { CompleteSessionResponse as _logging_v1_CompleteSessionResponse, CompleteSessionResponse__Output as _logging_v1_CompleteSessionResponse__Output } from './logging/v1/CompleteSessionResponse.js';
import type { FrameError as _logging_v1_FrameError, FrameError__Output as _logging_v1_FrameError__Output } from './logging/v1/FrameError.js';
import type { GetSessionRequest as _logging_v1_GetSessionRequest, GetSessionRequest__Output as _logging_v1_GetSessionRequest__Output } from './logging/v1/GetSessionRequest.js';
import type { ListSegmentsRequest as _logging_v1_ListSegmentsRequest, ListSegmentsRequest__Output as _logging_v1_ListSegmentsRequest__Output } from './logging/v1/ListSegmentsRequest.js';
import type { ListSegmentsResponse as _logging_v1_ListSegmentsResponse, ListSegmentsResponse__Output as _logging_v1_ListSegmentsResponse__Output } from './logging/v1/ListSegmentsResponse.js';
import type { ListSessionsRequest as _logging_v1_ListSessionsRequest, ListSessionsRequest__Output as _logging_v1_ListSessionsRequest__Output } from './logging/v1/ListSessionsRequest.js';
import type { ListSessionsResponse as _logging_v1_ListSessionsResponse, ListSessionsResponse__Output as _logging_v1_ListSessionsResponse__Output } from './logging/v1/ListSessionsResponse.js';
import type { LogFilter as _logging_v1_LogFilter, LogFilter__Output as _logging_v1_LogFilter__Output } from './logging/v1/LogFilter.js';
import type { LogFrame as _logging_v1_LogFrame, LogFrame__Output as _logging_v1_LogFrame__Output } from './logging/v1/LogFrame.js';
import type { LogReaderClient as _logging_v1_LogReaderClient, LogReaderDefinition as _logging_v1_LogReaderDefinition } from './logging/v1/LogReader.js';
import type { LogServiceClient as _logging_v1_LogServiceClient, LogServiceDefinition as _logging_v1_LogServiceDefinition } from './logging/v1/LogService.js';
import type { Segment as _logging_v1_Segment, Segment__Output as _logging_v1_Segment__Output } from './logging/v1/Segment.js';
import type { SegmentMember as _logging_v1_SegmentMember, SegmentMember__Output as _logging_v1_SegmentMember__Output } from './logging/v1/SegmentMember.js';
import type { SeqGap as _logging_v1_SeqGap, SeqGap__Output as _logging_v1_SeqGap__Output } from './logging/v1/SeqGap.js';
import type { SessionEnd as _logging_v1_SessionEnd, SessionEnd__Output as _logging_v1_SessionEnd__Output } from './logging/v1/SessionEnd.js';
import type { SessionInfo as _logging_v1_SessionInfo, SessionInfo__Output as _logging_v1_SessionInfo__Output } from './logging/v1/SessionInfo.js';
import type { SessionRange as _logging_v1_SessionRange, SessionRange__Output as _logging_v1_SessionRange__Output } from './logging/v1/SessionRange.js';
import type { StreamSessionLogsRequest as _logging_v1_StreamSessionLogsRequest, StreamSessionLogsRequest__Output as _logging_v1_StreamSessionLogsRequest__Output } from './logging/v1/StreamSessionLogsRequest.js';
import type { StreamSessionLogsResponse as _logging_v1_StreamSessionLogsResponse, StreamSessionLogsResponse__Output as _logging_v1_StreamSessionLogsResponse__Output } from './logging/v1/StreamSessionLogsResponse.js';
import type { WriteLogAck as _logging_v1_WriteLogAck, WriteLogAck__Output as _logging_v1_WriteLogAck__Output } from './logging/v1/WriteLogAck.js';
import type { WriteLogBatch as _logging_v1_WriteLogBatch, WriteLogBatch__Output as _logging_v1_WriteLogBatch__Output } from './logging/v1/WriteLogBatch.js';
import type { WriteLogResponse as _logging_v1_WriteLogResponse, WriteLogResponse__Output as _logging_v1_WriteLogResponse__Output } from './logging/v1/WriteLogResponse.js';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  google: {
    protobuf: {
      ListValue: MessageTypeDefinition<_google_protobuf_ListValue, _google_protobuf_ListValue__Output>
      NullValue: EnumTypeDefinition
      Struct: MessageTypeDefinition<_google_protobuf_Struct, _google_protobuf_Struct__Output>
      Timestamp: MessageTypeDefinition<_google_protobuf_Timestamp, _google_protobuf_Timestamp__Output>
      Value: MessageTypeDefinition<_google_protobuf_Value, _google_protobuf_Value__Output>
    }
  }
  logging: {
    v1: {
      CompleteSessionRequest: MessageTypeDefinition<_logging_v1_CompleteSessionRequest, _logging_v1_CompleteSessionRequest__Output>
      CompleteSessionResponse: MessageTypeDefinition<_logging_v1_CompleteSessionResponse, _logging_v1_CompleteSessionResponse__Output>
      FrameError: MessageTypeDefinition<_logging_v1_FrameError, _logging_v1_FrameError__Output>
      GetSessionRequest: MessageTypeDefinition<_logging_v1_GetSessionRequest, _logging_v1_GetSessionRequest__Output>
      ListSegmentsRequest: MessageTypeDefinition<_logging_v1_ListSegmentsRequest, _logging_v1_ListSegmentsRequest__Output>
      ListSegmentsResponse: MessageTypeDefinition<_logging_v1_ListSegmentsResponse, _logging_v1_ListSegmentsResponse__Output>
      ListSessionsRequest: MessageTypeDefinition<_logging_v1_ListSessionsRequest, _logging_v1_ListSessionsRequest__Output>
      ListSessionsResponse: MessageTypeDefinition<_logging_v1_ListSessionsResponse, _logging_v1_ListSessionsResponse__Output>
      LogFilter: MessageTypeDefinition<_logging_v1_LogFilter, _logging_v1_LogFilter__Output>
      LogFrame: MessageTypeDefinition<_logging_v1_LogFrame, _logging_v1_LogFrame__Output>
      /**
       * Tells what is stored.
       */
      LogReader: SubtypeConstructor<typeof grpc.Client, _logging_v1_LogReaderClient> & { service: _logging_v1_LogReaderDefinition }
      /**
       * Takes frames in.
       */
      LogService: SubtypeConstructor<typeof grpc.Client, _logging_v1_LogServiceClient> & { service: _logging_v1_LogServiceDefinition }
      Segment: MessageTypeDefinition<_logging_v1_Segment, _logging_v1_Segment__Output>
      SegmentMember: MessageTypeDefinition<_logging_v1_SegmentMember, _logging_v1_SegmentMember__Output>
      SeqGap: MessageTypeDefinition<_logging_v1_SeqGap, _logging_v1_SeqGap__Output>
      SessionEnd: MessageTypeDefinition<_logging_v1_SessionEnd, _logging_v1_SessionEnd__Output>
      SessionInfo: MessageTypeDefinition<_logging_v1_SessionInfo, _logging_v1_SessionInfo__Output>
      SessionRange: MessageTypeDefinition<_logging_v1_SessionRange, _logging_v1_SessionRange__Output>
      StreamSessionLogsRequest: MessageTypeDefinition<_logging_v1_StreamSessionLogsRequest, _logging_v1_StreamSessionLogsRequest__Output>
      StreamSessionLogsResponse: MessageTypeDefinition<_logging_v1_StreamSessionLogsResponse, _logging_v1_StreamSessionLogsResponse__Output>
      WriteLogAck: MessageTypeDefinition<_logging_v1_WriteLogAck, _logging_v1_WriteLogAck__Output>
      WriteLogBatch: MessageTypeDefinition<_logging_v1_WriteLogBatch, _logging_v1_WriteLogBatch__Output>
      WriteLogResponse: MessageTypeDefinition<_logging_v1_WriteLogResponse, _logging_v1_WriteLogResponse__Output>
    }
  }
}

