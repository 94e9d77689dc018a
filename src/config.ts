export interface Config {
  readonly logDir: string;
  readonly maxSegmentBytes: number;
  readonly maxSegmentAgeSeconds: number;
  readonly idleSeconds: number;
  readonly flushIntervalMs: number;
  readonly fsync: 'ack' | 'never';
  readonly compression: 'gzip' | 'none';
  readonly gzipLevel: number;
  readonly compressionWorkers: number;
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
  readonly maxSessionQueueBytes: number;
  readonly maxOpenFiles: number;
  readonly retentionSeconds: number;
  readonly retentionBytes: number;
  readonly grpcHost: string;
  readonly grpcPort: number;
  readonly httpHost: string;
  readonly httpPort: number;
  /** Null: nothing is announced. */
  readonly redisUrl: string | null;
  readonly redisMode: 'stream' | 'list' | 'pubsub';
  readonly redisKey: string;
  readonly redisFormat: 'json' | 'msgpack';
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
}
