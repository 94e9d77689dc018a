import { fileURLToPath } from 'node:url';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';

const PROTOS = fileURLToPath(new URL('../../protos', import.meta.url));

/** logging.v1 for a real client, with the names that the protocol has. */
export function loggingProto(options: { readonly oneofs?: boolean } = {}): PackageDefinition {
  return loadSync('services/logging/v1/logging.proto', {
    includeDirs: [PROTOS],
    keepCase: true,
    longs: Number,
    defaults: true,
    ...options,
  });
}
