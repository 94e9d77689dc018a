import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { ListValue as _google_protobuf_ListValue, ListValue__Output as _google_protobuf_ListValue__Output } from './google/protobuf/ListValue.js';
import type { Struct as _google_protobuf_Struct, Struct__Output as _google_protobuf_Struct__Output } from './google/protobuf/Struct.js';
import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from './google/protobuf/Timestamp.js';
import type { Value as _google_protobuf_Value, Value__Output as _google_protobuf_Value__Output } from './google/protobuf/Value.js';
import type { FrameError as _logging_v1_FrameError, FrameError__Output as _logging_v1_FrameError__Output } from './logging/v1/FrameError.js';
import type { GetSessionRequest as _logging_v1_GetSessionRequest, GetSessionRequest__Output as _logging_v1_GetSessionRequest__Output } from './logging/v1/GetSessionRequest.js';
import type { LogFrame as _logging_v1_LogFrame, LogFrame__Output as _logging_v1_LogFrame__Output } from './logging/v1/LogFrame.js';
import type { LogReaderClient as _logging_v1_LogReaderClient, LogReaderDefinition as _logging_v1_LogReaderDefinition } from './logging/v1/LogReader.js';
import type { LogServiceClient as _logging_v1_LogServiceClient, LogServiceDefinition as _logging_v1_LogServiceDefinition } from './logging/v1/LogService.js';
import type { SessionInfo as _logging_v1_SessionInfo, SessionInfo__Output as _logging_v1_SessionInfo__Output } from './logging/v1/SessionInfo.js';
import type { SessionRange as _logging_v1_SessionRange, SessionRange__Output as _logging_v1_SessionRange__Output } from './logging/v1/SessionRange.js';
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
      FrameError: MessageTypeDefinition<_logging_v1_FrameError, _logging_v1_FrameError__Output>
      GetSessionRequest: MessageTypeDefinition<_logging_v1_GetSessionRequest, _logging_v1_GetSessionRequest__Output>
      LogFrame: MessageTypeDefinition<_logging_v1_LogFrame, _logging_v1_LogFrame__Output>
      /**
       * Tells what is stored.
       */
      LogReader: SubtypeConstructor<typeof grpc.Client, _logging_v1_LogReaderClient> & { service: _logging_v1_LogReaderDefinition }
      /**
       * Takes frames in.
       */
      LogService: SubtypeConstructor<typeof grpc.Client, _logging_v1_LogServiceClient> & { service: _logging_v1_LogServiceDefinition }
      SessionInfo: MessageTypeDefinition<_logging_v1_SessionInfo, _logging_v1_SessionInfo__Output>
      SessionRange: MessageTypeDefinition<_logging_v1_SessionRange, _logging_v1_SessionRange__Output>
      WriteLogAck: MessageTypeDefinition<_logging_v1_WriteLogAck, _logging_v1_WriteLogAck__Output>
      WriteLogBatch: MessageTypeDefinition<_logging_v1_WriteLogBatch, _logging_v1_WriteLogBatch__Output>
      WriteLogResponse: MessageTypeDefinition<_logging_v1_WriteLogResponse, _logging_v1_WriteLogResponse__Output>
    }
  }
}

