/**
 * What grpc-js keeps to itself and has no option for, in one place: how it takes messages out of a stream, and the options
 * of its HTTP/2 server. test/grpc/grpc-js-internals.test.ts fails when a version moves any of it.
 */
import type { ServerHttp2Stream, ServerOptions } from 'node:http2';
import type { Server, ServerInterceptingCallInterface } from '@grpc/grpc-js';

/** What grpc-js gives the chunks of a stream's data to. It takes messages back, each with its 5-byte header. */
export interface MessageDecoder {
  write(data: Buffer): Buffer[];
}

/** A call as the interceptor gets it. */
export interface BaseCall extends ServerInterceptingCallInterface {
  decoder: MessageDecoder;
  readonly incomingEncoding: string;
  readonly stream: ServerHttp2Stream;
  /** A message with its 5-byte header. */
  serializeMessage(message: unknown): Buffer;
}

export function baseCallOf(call: ServerInterceptingCallInterface): BaseCall {
  if (!('decoder' in call && 'incomingEncoding' in call && 'stream' in call && 'serializeMessage' in call)) {
    throw new Error(
      'this version of grpc-js is unknown: a call has no decoder, incomingEncoding, stream or serializeMessage',
    );
  }
  return call as BaseCall;
}

/**
 * From now on what the call's handler writes is handed to the HTTP/2 stream as it is, behind the response's headers: messages with
 * their 5-byte headers, any number of them, or parts of them. The callback of a write comes when the stream has taken it.
 */
export function sendWholeMessages(call: BaseCall): void {
  call.serializeMessage = (messages) => messages as Buffer;
}

interface ServerInternals {
  commonServerOptions: ServerOptions;
}

/** Adds to the options that its HTTP/2 servers are made with. To be called before there is one. */
export function setHttp2Options(server: Server, options: ServerOptions): void {
  const { commonServerOptions } = server as unknown as ServerInternals;
  Object.assign(commonServerOptions, options, { settings: { ...commonServerOptions.settings, ...options.settings } });
}
