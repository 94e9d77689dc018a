import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  ConfigError,
  describeConfig,
  developmentEnvironment,
  readClientConfig,
  readConfig,
  unknownVariables,
} from '../src/config.js';
import { variables } from '../src/config-variables.js';
import { isRedisUrl, maskRedisUrl } from '../src/redis-url.js';

const machine = { cwd: '/srv/logweir', cores: 8, openFilesMax: 1024 };

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env, machine);
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.problems;
    }
    throw error;
  }
  return [];
}

describe('readConfig', () => {
  it('gives the documented defaults for an empty environment, frozen', () => {
    const config = readConfig({}, machine);
    expect(config).toEqual({
      logDir: '/srv/logweir/logs',
      maxSegmentBytes: 67_108_864,
      maxSegmentAgeSeconds: 3600,
      idleSeconds: 300,
      flushIntervalMs: 200,
      fsync: 'ack',
      compression: 'gzip',
      gzipLevel: 3,
      compressionWorkers: 7,
      maxFrameBytes: 1_048_576,
      maxQueueBytes: 268_435_456,
      maxSessionQueueBytes: 8_388_608,
      maxOpenFiles: 768,
      retentionSeconds: 0,
      retentionBytes: 0,
      grpcHost: '127.0.0.1',
      grpcPort: 50_053,
      httpHost: '127.0.0.1',
      httpPort: 8080,
      maxConnections: 160,
      maxHttpConnections: 56,
      maxStreams: 10_000,
      maxReaders: 1000,
      maxStreamsPerConnection: 1000,
      maxMetadataBytes: 16_384,
      maxReceiveBytes: 67_108_864,
      handshakeSeconds: 10,
      keepaliveSeconds: 30,
      keepaliveTimeoutSeconds: 10,
      firstFrameSeconds: 300,
      streamIdleSeconds: 3600,
      connectionIdleSeconds: 300,
      connectionAgeSeconds: 0,
      connectionAgeGraceSeconds: 60,
      redisUrl: null,
      redisMode: 'stream',
      redisKey: 'logweir:rotations',
      redisFormat: 'json',
      shutdownDeadlineSeconds: 30,
      logLevel: 'info',
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('has one variable for each field', () => {
    const fields = Object.keys(readConfig({}, machine));
    expect(variables.map(({ field }) => field).toSorted()).toEqual(fields.toSorted());
    expect(new Set(variables.map(({ name }) => name)).size).toBe(variables.length);
  });

  it('takes an empty variable as unset', () => {
    const empty = Object.fromEntries(variables.map(({ name }) => [name, '']));
    expect(readConfig(empty, machine)).toEqual(readConfig({}, machine));
  });

  it('takes what is set', () => {
    const config = readConfig(
      {
        LOG_DIR: '/var/lib/logweir',
        LOG_GZIP_LEVEL: '9',
        GRPC_PORT: '0',
        REDIS_URL: 'rediss://u:p@r:1/2',
        GRPC_HOST: '::',
      },
      machine,
    );
    expect(config).toMatchObject({
      logDir: '/var/lib/logweir',
      gzipLevel: 9,
      grpcPort: 0,
      redisUrl: 'rediss://u:p@r:1/2',
    });
  });

  it('names every problem at once: variable, value, what is allowed', () => {
    const env = {
      LOG_GZIP_LEVEL: '12',
      LOG_FSYNC: 'ACK',
      GRPC_PORT: '65536',
      HTTP_PORT: '8080x',
      LOG_MAX_SIZE_BYTES: '0',
      LOG_IDLE_SECONDS: '-1',
      LOG_MAX_FRAME_BYTES: '1e6',
      REDIS_URL: 'redis://:hunter2@redis:port/0',
      REDIS_MODE: 'topic',
      LOG_LEVEL: 'loud',
    };
    expect(problemsOf(env)).toEqual([
      'LOG_MAX_SIZE_BYTES is "0"; allowed: an integer from 1 to 9007199254740991',
      'LOG_IDLE_SECONDS is "-1"; allowed: an integer from 1 to 315360000',
      'LOG_FSYNC is "ACK"; allowed: one of ack, never',
      'LOG_GZIP_LEVEL is "12"; allowed: an integer from 1 to 9',
      'LOG_MAX_FRAME_BYTES is "1e6"; allowed: an integer from 1 to 67108864',
      'GRPC_PORT is "65536"; allowed: an integer from 0 to 65535',
      'HTTP_PORT is "8080x"; allowed: an integer from 0 to 65535',
      expect.stringMatching(/^REDIS_URL is "redis:\/\/\*\*\*@\*\*\*"; allowed: redis:\/\//),
      'REDIS_MODE is "topic"; allowed: one of stream, list, pubsub',
      'LOG_LEVEL is "loud"; allowed: one of trace, debug, info, warn, error, fatal, silent',
    ]);
    expect(() => readConfig(env, machine)).toThrow(/^the configuration has 10 problems:\n {2}LOG_MAX_SIZE_BYTES is/);
  });

  it('names both sides of a contradiction, the default side included', () => {
    expect(problemsOf({ LOG_MAX_QUEUE_BYTES: '1000000' })).toEqual([
      'LOG_MAX_SESSION_QUEUE_BYTES is 8388608; allowed: at most LOG_MAX_QUEUE_BYTES, which is 1000000',
    ]);
    expect(problemsOf({ LOG_MAX_FRAME_BYTES: '2000', LOG_MAX_SESSION_QUEUE_BYTES: '1999' })).toEqual([
      'LOG_MAX_FRAME_BYTES is 2000; allowed: at most LOG_MAX_SESSION_QUEUE_BYTES, which is 1999',
    ]);
    expect(problemsOf({ HTTP_PORT: '9000', GRPC_PORT: '9000' })).toEqual([
      'HTTP_PORT is 9000; allowed: another port than GRPC_PORT, which is 9000',
    ]);
    expect(problemsOf({ HTTP_PORT: '0', GRPC_PORT: '0' })).toEqual([]);
    expect(problemsOf({ HTTP_PORT: '9000', GRPC_PORT: '9000', HTTP_HOST: '::1' })).toEqual([]);
  });

  it.each([
    [256, 192],
    [1024, 768],
    [1_048_576, 65_536],
    [Number.POSITIVE_INFINITY, 65_536],
    [32, 16],
  ])('of %d open files leaves enough for everything else: %d', (openFilesMax, expected) => {
    expect(readConfig({}, { ...machine, openFilesMax }).maxOpenFiles).toBe(expected);
  });

  it('refuses more open files than the process may have', () => {
    expect(problemsOf({ LOG_MAX_OPEN_FILES: '961' })).toEqual([
      'LOG_MAX_OPEN_FILES is "961"; allowed: an integer from 16 to 960',
    ]);
    expect(problemsOf({ LOG_MAX_OPEN_FILES: '960' })).toEqual([
      'LOG_MAX_OPEN_FILES (960), GRPC_MAX_CONNECTIONS (160), HTTP_MAX_CONNECTIONS (56) add up to 1176; allowed: at most 984, as many descriptors as this process may use',
    ]);
    expect(problemsOf({ LOG_MAX_OPEN_FILES: '900', GRPC_MAX_CONNECTIONS: '64', HTTP_MAX_CONNECTIONS: '20' })).toEqual(
      [],
    );
  });

  it('compresses with at least one worker', () => {
    expect(readConfig({}, { ...machine, cores: 1 }).compressionWorkers).toBe(1);
  });

  it('finds out by itself what the process runs in', () => {
    const config = readConfig({});
    expect(config.logDir).toBe(join(process.cwd(), 'logs'));
    expect(config.maxOpenFiles).toBeGreaterThan(0);
  });
});

it('a problem does not hide a misspelled name', () => {
  expect(() => readConfig({ LOG_FSYNC: 'no', LOG_LEVL: 'debug' }, machine)).toThrow(
    'the configuration has a problem:\n' +
      '  LOG_FSYNC is "no"; allowed: one of ack, never\n' +
      '  LOG_LEVL is not a variable of logweir; did you mean LOG_LEVEL?',
  );
});

describe('secrets', () => {
  it.each([
    ['redis://127.0.0.1:6379/0', 'redis://127.0.0.1:6379/0'],
    ['redis://:hunter2@redis:6379/0', 'redis://***@redis:6379/0'],
    ['rediss://user:hunter2@redis', 'rediss://***@redis'],
    ['redis://:hun/ter2@redis', 'redis://***@redis'],
    ['redis://:hun@ter2@redis', 'redis://***@redis'],
    ['redis://redis?password=hunter2', 'redis://***'],
    ['redis://:hunter2', 'redis://***'],
    ['hunter2 redis:6379', '***'],
    ['redis:6379', 'redis:6379'],
    ['/run/redis.sock', '/run/redis.sock'],
    ['/run/redis.sock?password=hunter2', '***'],
  ])('mask %s', (url, masked) => {
    expect(maskRedisUrl(url)).toBe(masked);
    expect(masked).not.toContain('ter2');
  });

  it('never stand in what is printed', () => {
    const config = readConfig({ REDIS_URL: 'redis://:hunter2@redis:6379/0' }, machine);
    expect(JSON.stringify(describeConfig(config))).not.toContain('hunter2');
    expect(describeConfig(config)).toContainEqual({ name: 'REDIS_URL', value: 'redis://***@redis:6379/0' });
    expect(describeConfig(readConfig({}, machine))).toContainEqual({ name: 'REDIS_URL', value: null });
  });
});

it.each([
  ['redis://127.0.0.1', true],
  ['redis://u:p@[::1]:6379/3', true],
  ['/run/redis/redis.sock', true],
  ['localhost:6379', false],
  ['http://redis', false],
  ['redis://', false],
  ['redis://redis:99999', false],
  ['redis://redis/logs', false],
  ['redis://redis?db=1', false],
])('REDIS_URL %s: %s', (url, valid) => {
  expect(isRedisUrl(url)).toBe(valid);
});

describe('unknownVariables', () => {
  it.each([
    ['LOG_GZIP_LEVLE', 'LOG_GZIP_LEVEL'],
    ['LOG_MAX_SIZE', 'LOG_MAX_SIZE_BYTES'],
    ['LOG_IDLE_MS', 'LOG_IDLE_SECONDS'],
    ['GRPC_PROT', 'GRPC_PORT'],
    ['REDIS_KEYS', 'REDIS_KEY'],
    ['HTTP_HOSTS', 'HTTP_HOST'],
    ['SHUTDOWN_DEADLINE_SECOND', 'SHUTDOWN_DEADLINE_SECONDS'],
  ])('%s suggests %s', (typo, suggestion) => {
    expect(unknownVariables({ [typo]: '1' })).toEqual([
      `${typo} is not a variable of logweir; did you mean ${suggestion}?`,
    ]);
  });

  it("leaves others' variables alone", () => {
    const env = { HTTP_PROXY: '', GRPC_VERBOSITY: '', GRPC_TRACE: '', REDIS_PORT: '', REDIS_HOST: '', LOG_FORMAT: '' };
    expect(unknownVariables({ ...env, REDIS_PORT_6379_TCP: '', PATH: '', LOG_DIR: '/x' })).toEqual([]);
  });
});

describe('.env', () => {
  it('is named in a problem with a variable that comes from it', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'logweir-env-'));
    try {
      writeFileSync(join(cwd, '.env'), 'LOG_FSYNC=no\nLOG_GZIP_LEVEL=10\nGRPC_PORT=x\nLOGWEIR_SERVER=logs\n');
      const env = developmentEnvironment({ LOG_GZIP_LEVEL: '11' }, cwd);
      expect(problemsOf(env)).toEqual([
        `LOG_FSYNC is "no" (in ${cwd}/.env); allowed: one of ack, never`,
        'LOG_GZIP_LEVEL is "11"; allowed: an integer from 1 to 9',
        `GRPC_PORT is "x" (in ${cwd}/.env); allowed: an integer from 0 to 65535`,
      ]);
      expect(() => readClientConfig(env)).toThrow(`LOGWEIR_SERVER is "logs" (in ${cwd}/.env); allowed: host:port`);
    } finally {
      rmSync(cwd, { recursive: true });
    }
  });

  it('completes the environment in development, below what is really set', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'logweir-env-'));
    try {
      expect(developmentEnvironment({ LOG_DIR: '/a' }, cwd)).toEqual({ LOG_DIR: '/a' });
      writeFileSync(join(cwd, '.env'), '# local\nLOG_DIR=/b\nLOG_LEVEL="debug"\n');
      expect(developmentEnvironment({ LOG_DIR: '/a' }, cwd)).toEqual({ LOG_DIR: '/a', LOG_LEVEL: 'debug' });
      expect(developmentEnvironment({ NODE_ENV: 'production' }, cwd)).toEqual({ NODE_ENV: 'production' });
    } finally {
      rmSync(cwd, { recursive: true });
    }
  });
});

describe('readClientConfig', () => {
  it.each([
    [{}, '127.0.0.1:50053'],
    [{ LOGWEIR_SERVER: 'logs.internal:443' }, 'logs.internal:443'],
    [{ LOGWEIR_SERVER: '[::1]:50053' }, '[::1]:50053'],
    [{ GRPC_PORT: '6000' }, '127.0.0.1:6000'],
    [{ GRPC_HOST: '0.0.0.0', GRPC_PORT: '6000' }, '127.0.0.1:6000'],
    [{ GRPC_HOST: '::' }, '[::1]:50053'],
  ])('%o is %s', (env, server) => {
    expect(readClientConfig(env)).toEqual({ server });
  });

  it.each([
    [{ LOGWEIR_SERVER: 'logs' }],
    [{ LOGWEIR_SERVER: 'logs:99999' }],
    [{ LOGWEIR_SERVER: 'logs:0' }],
    [{ GRPC_PORT: 'x' }],
    [{ GRPC_PORT: '0' }],
  ])('refuses %o', (env) => {
    expect(() => readClientConfig(env)).toThrow(ConfigError);
  });
});
