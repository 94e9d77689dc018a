import type { MethodDefinition } from '@grpc/grpc-js';
import type { ListSegmentsResponse } from './generated/logging/v1/ListSegmentsResponse.js';
import type { ListSessionsResponse } from './generated/logging/v1/ListSessionsResponse.js';
import type { SessionInfo } from './generated/logging/v1/SessionInfo.js';
import { withRawRequests } from './log-service.js';

export const LOG_READER = 'logging.v1.LogReader';

/** `logging.v1.LogReader` for the server. A request that can't be read is the handler's to answer, as all others are. */
export const logReaderDefinition = {
  GetSession: withRawRequests<SessionInfo>(LOG_READER, 'GetSession'),
  StreamSessionLogs: withWholeMessages(withRawRequests<object>(LOG_READER, 'StreamSessionLogs')),
  ListSessions: withRawRequests<ListSessionsResponse>(LOG_READER, 'ListSessions'),
  ListSegments: withRawRequests<ListSegmentsResponse>(LOG_READER, 'ListSegments'),
};

/** Its handler writes messages that have their headers already: see sendsWholeMessages. */
function withWholeMessages(method: MethodDefinition<Buffer, object>): MethodDefinition<Buffer, Buffer> {
  return { ...method, responseSerialize: (bytes) => bytes, responseDeserialize: (bytes) => bytes };
}
