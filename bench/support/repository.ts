import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MethodDefinition } from '@grpc/grpc-js';
import { loadSync, type Options } from '@grpc/proto-loader';

/** Benches run from node_modules/.cache/bench/bench/support/. */
export const REPOSITORY = fileURLToPath(new URL('../../../../../', import.meta.url));
export const PROTOS_DIRECTORY = join(REPOSITORY, 'protos');

export interface WriteLogResponse {
  readonly framesReceived: number;
  readonly status: string;
  readonly durable?: boolean;
}

export interface WriteLogBatch<Frame> {
  readonly batchId: number;
  readonly frames: readonly Frame[];
}

export interface WriteLogAck {
  readonly batchId: number;
  readonly durable: boolean;
  readonly rejected: readonly { readonly reason: string }[];
  readonly duplicates: number;
}

export interface LogService<Frame> {
  readonly WriteLogStream: MethodDefinition<Frame, WriteLogResponse>;
  readonly WriteLogBatches: MethodDefinition<WriteLogBatch<Frame>, WriteLogAck>;
}

export interface StreamSessionLogsRequest {
  readonly sessionId: string;
  readonly afterSeq: number;
  readonly follow: boolean;
}

export interface LogReader {
  readonly StreamSessionLogs: MethodDefinition<
    StreamSessionLogsRequest,
    { readonly frame?: { readonly seq: number; readonly content: string } }
  >;
}

/** logging.v1.LogService as proto-loader makes it: names in camel case, as its defaults have them. */
export function loadLogService<Frame>(options: Options = {}): LogService<Frame> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the protocol file says, and loadSync does not type
  return load(options)['logging.v1.LogService'] as unknown as LogService<Frame>;
}

/** logging.v1.LogReader, in the same way. */
export function loadLogReader(): LogReader {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
  return load({ longs: Number })['logging.v1.LogReader'] as unknown as LogReader;
}

function load(options: Options): ReturnType<typeof loadSync> {
  return loadSync('services/logging/v1/logging.proto', { ...options, includeDirs: [PROTOS_DIRECTORY] });
}

/** What `logweir` is when it is installed: the path of package.json's `bin`. */
export function logweirExecutable(): string {
  const manifest: { bin: { logweir: string } } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));
  return join(REPOSITORY, manifest.bin.logweir);
}
