import { type ChannelOptions, logVerbosity, Server, setLogVerbosity } from '@grpc/grpc-js';
import { COMPLETE_SESSION_BYTES_MAX } from './complete-session.js';
import { GET_SESSION_BYTES_MAX } from './get-session.js';
import { setHttp2Options } from './grpc-js-internals.js';
import { Inflater } from './inflater.js';
import { LIST_REQUEST_BYTES_MAX } from './list-sessions.js';
import { logReaderDefinition } from './log-reader.js';
import { logServiceDefinition } from './log-service.js';
import { readMessagesWith } from './read-messages.js';
import type { ReceiveBudget } from './receive-budget.js';
import type { DeadlineLimits } from './stream-deadlines.js';
import { STREAM_REQUEST_BYTES_MAX } from './stream-session-logs.js';

/** All methods but those that bring frames: a name of a service, a symbol or a session, a filter. */
const SMALL_REQUEST_BYTES_MAX = 4096;
const HEADERS_MAX = 64;

/** Methods whose handlers write messages that have their headers. */
const WHOLE_MESSAGES: ReadonlySet<string> = new Set([logReaderDefinition.StreamSessionLogs.path]);

/** What peers may use: the variables of src/connection-variables.ts. */
export interface GrpcLimits extends DeadlineLimits {
  readonly shutdownDeadlineSeconds: number;
  readonly maxFrameBytes: number;
  readonly maxConnections: number;
  readonly maxStreams: number;
  readonly maxStreamsPerConnection: number;
  readonly maxReaders: number;
  readonly maxMetadataBytes: number;
  readonly maxReceiveBytes: number;
  readonly handshakeSeconds: number;
  readonly keepaliveSeconds: number;
  readonly keepaliveTimeoutSeconds: number;
  readonly connectionIdleSeconds: number;
}

/** What a client may always send as one batch, whatever LOG_MAX_FRAME_BYTES: it can't know that. */
const BATCH_BYTES_MIN = 256 * 1024;

/** A batch holds at least four frames of the largest size. */
export function maxBatchBytes(maxFrameBytes: number): number {
  return Math.max(BATCH_BYTES_MIN, 4 * maxFrameBytes);
}

/** The server without its services: what the ceiling of the benchmark is measured with, too. */
export function createServer(limits: GrpcLimits, budget: ReceiveBudget): Server {
  const { maxFrameBytes, connectionIdleSeconds, connectionAgeSeconds } = limits;
  const messageLimits = new Map([
    [logServiceDefinition.WriteLogStream.path, maxFrameBytes],
    [logServiceDefinition.WriteLogBatches.path, maxBatchBytes(maxFrameBytes)],
    [logServiceDefinition.CompleteSession.path, COMPLETE_SESSION_BYTES_MAX],
    [logReaderDefinition.GetSession.path, GET_SESSION_BYTES_MAX],
    [logReaderDefinition.StreamSessionLogs.path, STREAM_REQUEST_BYTES_MAX],
    [logReaderDefinition.ListSessions.path, LIST_REQUEST_BYTES_MAX],
    [logReaderDefinition.ListSegments.path, LIST_REQUEST_BYTES_MAX],
  ]);
  const receiving = { budget, inflater: new Inflater() };
  // It prints what clients send, raw, beside the service's own log.
  setLogVerbosity(logVerbosity.NONE);
  const options: ChannelOptions = {
    'grpc.enable_channelz': 0,
    'grpc.max_concurrent_streams': limits.maxStreamsPerConnection,
    // An agent behind a cut line is noticed after time + timeout.
    'grpc.keepalive_time_ms': limits.keepaliveSeconds * 1000,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutSeconds * 1000,
    ...(connectionIdleSeconds > 0 && { 'grpc.max_connection_idle_ms': connectionIdleSeconds * 1000 }),
    ...(connectionAgeSeconds > 0 && {
      'grpc.max_connection_age_ms': connectionAgeSeconds * 1000,
      'grpc.max_connection_age_grace_ms': limits.connectionAgeGraceSeconds * 1000,
    }),
  };
  const interceptors = [readMessagesWith(messageLimits, SMALL_REQUEST_BYTES_MAX, receiving, WHOLE_MESSAGES)];
  const server = new Server({ ...options, interceptors });
  setHttp2Options(server, {
    settings: { maxHeaderListSize: limits.maxMetadataBytes },
    maxHeaderListPairs: HEADERS_MAX,
  });
  return server;
}
