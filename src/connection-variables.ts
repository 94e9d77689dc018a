/** The variables that bound what peers may use: connections, streams, bytes and time. docs/limits.md says what each does. */
import { type FromSurroundings, integer, type Surroundings, type Variable } from './config-variable.js';

/** Node itself, listening sockets, the lock, sealing, Redis. */
const OWN_DESCRIPTORS = 40;
const CONNECTIONS_MIN = 16;
const CONNECTIONS_MAX = 10_000;
const HTTP_CONNECTIONS_MIN = 8;
const HTTP_CONNECTIONS_MAX = 1000;
/** Fewer than this and the least values of all limits together do not fit: then nothing can be promised. */
const DESCRIPTORS_MIN = 256;
/** A timer of Node ends at 2^31 - 1 ms. */
const TIMER_SECONDS_MAX = 2_000_000;

/** Of the quarter of RLIMIT_NOFILE that segments leave, HTTP gets a quarter and gRPC the rest. */
const httpConnectionsDefault: FromSurroundings = ({ openFilesMax }) =>
  Math.min(HTTP_CONNECTIONS_MAX, Math.max(HTTP_CONNECTIONS_MIN, Math.floor(openFilesMax / 16) - 8));

const connectionsDefault: FromSurroundings = ({ openFilesMax }) =>
  Math.min(CONNECTIONS_MAX, Math.max(CONNECTIONS_MIN, Math.floor((openFilesMax * 3) / 16) + 8 - OWN_DESCRIPTORS));

/** Descriptors that segments and connections may take together. */
export function descriptorsForUse({ openFilesMax }: Surroundings): number {
  return openFilesMax < DESCRIPTORS_MIN ? Number.POSITIVE_INFINITY : openFilesMax - OWN_DESCRIPTORS;
}

const connectionsMax: FromSurroundings = ({ openFilesMax }) => Math.min(1_000_000, openFilesMax);

export const connectionVariables: readonly Variable[] = [
  integer(
    {
      name: 'GRPC_MAX_CONNECTIONS',
      field: 'maxConnections',
      description: 'Connections to the gRPC port at one time; one more is closed at once.',
    },
    { min: 1, max: connectionsMax, default: connectionsDefault, defaultText: 'from RLIMIT_NOFILE' },
  ),
  integer(
    {
      name: 'HTTP_MAX_CONNECTIONS',
      field: 'maxHttpConnections',
      description: 'Connections to the HTTP port at one time; one more is closed at once.',
    },
    { min: 1, max: connectionsMax, default: httpConnectionsDefault, defaultText: 'from RLIMIT_NOFILE' },
  ),
  integer(
    {
      name: 'GRPC_MAX_STREAMS',
      field: 'maxStreams',
      description: 'Streams of frames at one time, of all connections; one more gets RESOURCE_EXHAUSTED.',
    },
    { min: 1, max: 1_000_000, default: 10_000 },
  ),
  integer(
    {
      name: 'GRPC_MAX_STREAMS_PER_CONNECTION',
      field: 'maxStreamsPerConnection',
      description: 'Calls of any kind on one connection; clients wait before they open one more.',
    },
    { min: 1, max: 100_000, default: 1000 },
  ),
  integer(
    {
      name: 'GRPC_MAX_READERS',
      field: 'maxReaders',
      description: 'Calls that read a session at one time, of all connections; one more gets RESOURCE_EXHAUSTED.',
    },
    { min: 1, max: 1_000_000, default: 1000 },
  ),
  integer(
    {
      name: 'GRPC_MAX_METADATA_BYTES',
      field: 'maxMetadataBytes',
      description: 'Bytes of all headers of one call, and 32 for each, as HTTP/2 counts; a call with more is reset.',
    },
    { min: 1024, max: 1_048_576, default: 16_384 },
  ),
  integer(
    {
      name: 'GRPC_MAX_RECEIVE_BYTES',
      field: 'maxReceiveBytes',
      description:
        'Memory for large messages that are still arriving, and for inflating compressed ones; past it streams wait.',
    },
    { min: 1, max: Number.MAX_SAFE_INTEGER, default: 67_108_864 },
  ),
  integer(
    {
      name: 'GRPC_HANDSHAKE_SECONDS',
      field: 'handshakeSeconds',
      description: 'A connection that has not begun to speak HTTP/2 after this long is closed.',
    },
    { min: 1, max: TIMER_SECONDS_MAX, default: 10 },
  ),
  integer(
    {
      name: 'GRPC_KEEPALIVE_SECONDS',
      field: 'keepaliveSeconds',
      description: 'Each connection is sent a ping this often.',
    },
    { min: 1, max: TIMER_SECONDS_MAX, default: 30 },
  ),
  integer(
    {
      name: 'GRPC_KEEPALIVE_TIMEOUT_SECONDS',
      field: 'keepaliveTimeoutSeconds',
      description: 'A connection that does not answer a ping for this long is closed.',
    },
    { min: 1, max: TIMER_SECONDS_MAX, default: 10 },
  ),
  integer(
    {
      name: 'GRPC_FIRST_FRAME_SECONDS',
      field: 'firstFrameSeconds',
      description:
        'A stream that brings nothing for this long after it was opened is ended with UNAVAILABLE; 0: never.',
    },
    { min: 0, max: TIMER_SECONDS_MAX, default: 300 },
  ),
  integer(
    {
      name: 'GRPC_STREAM_IDLE_SECONDS',
      field: 'streamIdleSeconds',
      description:
        'A stream that is silent for this long after a frame is ended, too; everything it brought is stored. 0: never.',
    },
    { min: 0, max: TIMER_SECONDS_MAX, default: 3600 },
  ),
  integer(
    {
      name: 'GRPC_CONNECTION_IDLE_SECONDS',
      field: 'connectionIdleSeconds',
      description: 'A connection without a call is closed after this long; 0: never.',
    },
    { min: 0, max: TIMER_SECONDS_MAX, default: 300 },
  ),
  integer(
    {
      name: 'GRPC_CONNECTION_AGE_SECONDS',
      field: 'connectionAgeSeconds',
      description:
        'After this long, give or take a tenth, a connection is told to go (GOAWAY) and clients open another; 0: never.',
    },
    { min: 0, max: TIMER_SECONDS_MAX, default: 0 },
  ),
  integer(
    {
      name: 'GRPC_CONNECTION_AGE_GRACE_SECONDS',
      field: 'connectionAgeGraceSeconds',
      description:
        'What calls of a connection that was told to go have to end: after half of it they are answered UNAVAILABLE, then it is closed.',
    },
    { min: 2, max: TIMER_SECONDS_MAX, default: 60 },
  ),
];
