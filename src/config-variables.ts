/**
 * The environment variables, once: the parser, `logweir config`, `serve --help` and the README's table are all made from
 * this list, so that they cannot drift.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { choice, integer, type Surroundings, string, type Variable } from './config-variable.js';
import { connectionVariables } from './connection-variables.js';
import { isRedisUrl, maskRedisUrl, REDIS_URL_ALLOWED } from './redis-url.js';

/** Kept free for sockets, sealing, directories and Node itself. */
const OPEN_FILES_HEADROOM = 64;
const OPEN_FILES_MAX = 65_536;
/** More than the sessions that are written or synced at one time: somebody's file can always be closed to make room. */
const OPEN_FILES_MIN = 16;
const FRAME_BYTES_MAX = 67_108_864;
/** Timers of Node end at 2^31 - 1 ms; ten years is more than anybody means. */
const SECONDS_MAX = 315_360_000;

export function openFilesCeiling(surroundings: Surroundings): number {
  return Math.max(OPEN_FILES_MIN, Math.min(surroundings.openFilesMax - OPEN_FILES_HEADROOM, OPEN_FILES_MAX));
}

/** Connections are descriptors, too: a quarter of the limit stays for them. */
function openFilesDefault(surroundings: Surroundings): number {
  return Math.min(
    openFilesCeiling(surroundings),
    Math.max(OPEN_FILES_MIN, Math.floor(surroundings.openFilesMax * 0.75)),
    OPEN_FILES_MAX,
  );
}

function compressionWorkersDefault(surroundings: Surroundings): number {
  return Math.max(1, surroundings.cores - 1);
}

const BYTES_MAX = Number.MAX_SAFE_INTEGER;
const HOST = /^[A-Za-z0-9._:%-]+$/;
const HOST_ALLOWED = 'a host name or an IP address, without a port';

export const variables: readonly Variable[] = [
  {
    name: 'LOG_DIR',
    field: 'logDir',
    defaultText: './logs',
    description: 'Directory that holds everything; one server per directory.',
    allowed: () => 'a path',
    schema: ({ cwd }) =>
      z
        .string()
        .default('./logs')
        .transform((path) => resolve(cwd, path)),
    mask: (value) => value,
  },
  integer(
    {
      name: 'LOG_MAX_SIZE_BYTES',
      field: 'maxSegmentBytes',
      description: 'A segment is sealed before it grows past this.',
    },
    { min: 1, max: BYTES_MAX, default: 67_108_864 },
  ),
  integer(
    { name: 'LOG_MAX_AGE_SECONDS', field: 'maxSegmentAgeSeconds', description: 'A segment is sealed at this age.' },
    { min: 1, max: SECONDS_MAX, default: 3600 },
  ),
  integer(
    {
      name: 'LOG_IDLE_SECONDS',
      field: 'idleSeconds',
      description: 'A segment is sealed when its session is silent for this long.',
    },
    { min: 1, max: SECONDS_MAX, default: 300 },
  ),
  integer(
    {
      name: 'LOG_FLUSH_INTERVAL_MS',
      field: 'flushIntervalMs',
      description: 'The longest that written bytes stay unsynced when nobody waits for an acknowledgement.',
    },
    { min: 1, max: 60_000, default: 200 },
  ),
  choice(
    {
      name: 'LOG_FSYNC',
      field: 'fsync',
      description:
        "ack: an acknowledgement means fdatasync'ed. never: it means handed to the operating system, and the response says so.",
    },
    ['ack', 'never'],
    'ack',
  ),
  choice(
    { name: 'LOG_COMPRESSION', field: 'compression', description: 'How finished segments are stored: gzip or none.' },
    ['gzip', 'none'],
    'gzip',
  ),
  integer(
    { name: 'LOG_GZIP_LEVEL', field: 'gzipLevel', description: '1 is fastest, 9 smallest.' },
    { min: 1, max: 9, default: 3 },
  ),
  integer(
    { name: 'LOG_COMPRESSION_WORKERS', field: 'compressionWorkers', description: 'Threads that compress.' },
    { min: 1, max: 256, default: compressionWorkersDefault, defaultText: 'cores - 1, at least 1' },
  ),
  integer(
    {
      name: 'LOG_MAX_FRAME_BYTES',
      field: 'maxFrameBytes',
      description: 'A larger frame is refused with INVALID_ARGUMENT.',
    },
    { min: 1, max: FRAME_BYTES_MAX, default: 1_048_576 },
  ),
  integer(
    {
      name: 'LOG_MAX_QUEUE_BYTES',
      field: 'maxQueueBytes',
      description: 'Lines of all sessions that wait for the disk; past it streams pause, then RESOURCE_EXHAUSTED.',
    },
    { min: 1, max: BYTES_MAX, default: 268_435_456 },
  ),
  integer(
    {
      name: 'LOG_MAX_SESSION_QUEUE_BYTES',
      field: 'maxSessionQueueBytes',
      description: 'Lines of one session that wait for the disk; past it the same happens to its streams.',
    },
    { min: 1, max: BYTES_MAX, default: 8_388_608 },
  ),
  integer(
    {
      name: 'LOG_MAX_OPEN_FILES',
      field: 'maxOpenFiles',
      description: 'Active segments held open; the least recently used are synced and closed, not sealed.',
    },
    { min: OPEN_FILES_MIN, max: openFilesCeiling, default: openFilesDefault, defaultText: 'from RLIMIT_NOFILE' },
  ),
  integer(
    {
      name: 'LOG_RETENTION_SECONDS',
      field: 'retentionSeconds',
      description: 'Nothing is deleted yet: only 0, which keeps everything, is taken.',
    },
    { min: 0, max: 0, default: 0 },
  ),
  integer(
    {
      name: 'LOG_RETENTION_BYTES',
      field: 'retentionBytes',
      description: 'The same by size: only 0 is taken.',
    },
    { min: 0, max: 0, default: 0 },
  ),
  string(
    { name: 'GRPC_HOST', field: 'grpcHost', description: 'Address the gRPC server listens on.' },
    HOST_ALLOWED,
    HOST,
    '127.0.0.1',
  ),
  integer(
    { name: 'GRPC_PORT', field: 'grpcPort', description: 'Its port; 0 takes any free one.' },
    { min: 0, max: 65_535, default: 50_053 },
  ),
  string(
    { name: 'HTTP_HOST', field: 'httpHost', description: 'Address of readers over HTTP, probes and metrics.' },
    HOST_ALLOWED,
    HOST,
    '127.0.0.1',
  ),
  integer(
    { name: 'HTTP_PORT', field: 'httpPort', description: 'Its port; 0 takes any free one.' },
    { min: 0, max: 65_535, default: 8080 },
  ),
  ...connectionVariables,
  {
    name: 'REDIS_URL',
    field: 'redisUrl',
    defaultText: 'unset',
    description: 'Where finished segments are announced; unset: nowhere.',
    allowed: () => REDIS_URL_ALLOWED,
    schema: () =>
      z
        .string()
        .refine(isRedisUrl)
        .optional()
        .transform((value) => value ?? null),
    mask: maskRedisUrl,
  },
  choice(
    { name: 'REDIS_MODE', field: 'redisMode', description: 'stream (XADD), list (RPUSH) or pubsub (PUBLISH).' },
    ['stream', 'list', 'pubsub'],
    'stream',
  ),
  string(
    { name: 'REDIS_KEY', field: 'redisKey', description: 'The stream, the list or the channel.' },
    'a key without spaces',
    /^\S+$/,
    'logweir:rotations',
  ),
  choice(
    { name: 'REDIS_PUBSUB_FORMAT', field: 'redisFormat', description: 'Encoding of the events: json or msgpack.' },
    ['json', 'msgpack'],
    'json',
  ),
  integer(
    {
      name: 'SHUTDOWN_DEADLINE_SECONDS',
      field: 'shutdownDeadlineSeconds',
      description: 'The longest that SIGTERM takes: after it the process kills itself; acknowledged frames are safe.',
    },
    { min: 1, max: 3600, default: 30 },
  ),
  choice(
    {
      name: 'LOG_LEVEL',
      field: 'logLevel',
      description: "Of the service's own log, JSON lines on stderr: trace, debug, info, warn, error, fatal or silent.",
    },
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    'info',
  ),
];
