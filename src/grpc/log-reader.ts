import type { SessionInfo } from './generated/logging/v1/SessionInfo.js';
import { withRawRequests } from './log-service.js';

export const LOG_READER = 'logging.v1.LogReader';

/** `logging.v1.LogReader` for the server. A request that can't be read is the handler's to answer, as all others are. */
export const logReaderDefinition = {
  GetSession: withRawRequests<SessionInfo>(LOG_READER, 'GetSession'),
};
