/** What all connections to a server have in common. */
import { fileURLToPath } from 'node:url';
import {
  type ChannelOptions,
  Client,
  credentials,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';

/** protos/ is shipped beside dist/ and stands beside src/: two levels up from here in both. */
const PROTOS = fileURLToPath(new URL('../../protos/', import.meta.url));

const CHANNEL_OPTIONS: ChannelOptions = {
  // grpc-js sends no keepalive unless told; without it a frozen server holds a stream for ever.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // A server that is just starting, or restarting, is found within a moment of being there.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // Its retries would buffer what was written a second time; frames are sent again by FrameProducer.
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
};

/** What grpc-js itself says when no server spoke: there is no field that tells its UNAVAILABLE from the server's. */
const BROKEN_CONNECTION =
  /connection dropped|no connection established|name resolution|stream refused|rst_stream|goaway|http2|econn|socket/i;

/** Plaintext; it comes back by itself after it broke. @param options beside ours */
export function openClient(server: string, options: ChannelOptions = {}): Client {
  return new Client(server, credentials.createInsecure(), { ...CHANNEL_OPTIONS, ...options });
}

/** Null when there is a connection within that time, else why not. */
export function isReady(client: Client, timeoutMs: number): Promise<Error | null> {
  return new Promise((resolve) => {
    client.waitForReady(Date.now() + timeoutMs, (error) => resolve(error ?? null));
  });
}

/** Whether it is the connection that broke, and not the server which says that it is not available. */
export function isBrokenConnection({ code, details }: Pick<ServiceError, 'code' | 'details'>): boolean {
  return code === status.UNAVAILABLE && BROKEN_CONNECTION.test(details);
}

let loaded: PackageDefinition | null = null;

/** A method of logging.v1 as the protocol has it; messages have their fields' own names, and numbers. */
export function methodOf<Request, Response>(service: string, method: string): MethodDefinition<Request, Response> {
  loaded ??= loadSync('services/logging/v1/logging.proto', {
    includeDirs: [PROTOS],
    keepCase: true,
    longs: Number,
    defaults: true,
    arrays: true,
    oneofs: true,
  });
  const methods = loaded[`logging.v1.${service}`] as unknown as Record<string, MethodDefinition<Request, Response>>;
  const definition = methods[method];
  if (definition === undefined) {
    throw new Error(`logging.proto has no ${service}.${method}`);
  }
  return definition;
}
