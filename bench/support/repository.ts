import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MethodDefinition } from '@grpc/grpc-js';
import { loadSync, type Options } from '@grpc/proto-loader';

/** Benches run from node_modules/.cache/bench/bench/support/. */
export const REPOSITORY = fileURLToPath(new URL('../../../../../', import.meta.url));
export const PROTOS_DIRECTORY = join(REPOSITORY, 'protos');
/** Of logging.v1.LogService, whose first two messages are all that is measured here. */
export const WRITE_LOG_STREAM_PATH = '/logging.v1.LogService/WriteLogStream';

export interface WriteLogResponse {
  readonly framesReceived: number;
  readonly status: string;
}

/** The method as proto-loader makes it: names in camel case, as its defaults have them. */
export function loadWriteLogStream<Request>(options: Options = {}): MethodDefinition<Request, WriteLogResponse> {
  const loaded = loadSync('services/logging/v1/logging.proto', { ...options, includeDirs: [PROTOS_DIRECTORY] });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the protocol file says, and loadSync does not type
  const service = loaded['logging.v1.LogService'] as unknown as {
    readonly WriteLogStream: MethodDefinition<Request, WriteLogResponse>;
  };
  return service.WriteLogStream;
}

/** What `logweir` is when it is installed: the path of package.json's `bin`. */
export function logweirExecutable(): string {
  const manifest: { bin: { logweir: string } } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));
  return join(REPOSITORY, manifest.bin.logweir);
}
