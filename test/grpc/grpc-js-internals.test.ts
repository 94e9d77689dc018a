import { connect, type Http2Session, type Settings } from 'node:http2';
import { Server, ServerCredentials, type ServerInterceptor } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { type BaseCall, baseCallOf, setHttp2Options } from '../../src/grpc/grpc-js-internals.js';

const PATH = '/s/M';
const identity = (bytes: Buffer): Buffer => bytes;
const definition = {
  M: {
    path: PATH,
    requestStream: true,
    responseStream: false,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  },
};

test('grpc-js still has what is taken from it behind its back', async () => {
  const calls: BaseCall[] = [];
  const closed: unknown[] = [];
  const interceptor: ServerInterceptor = (_method, call) => {
    const base = baseCallOf(call);
    calls.push(base);
    closed.push(base.stream.session?.closed);
    return call as never;
  };
  const server = new Server({ interceptors: [interceptor], 'grpc.max_concurrent_streams': 7 });
  setHttp2Options(server, { settings: { maxHeaderListSize: 5000 } });
  const received: string[] = [];
  server.addService(definition, {
    M: (
      call: NodeJS.ReadableStream & { getMetricsRecorder(): object },
      respond: (error: null, answer: Buffer) => void,
    ) => {
      expect(call.getMetricsRecorder()).toBe(calls[0]?.getMetricsRecorder());
      call.on('data', (message: Buffer) => received.push(message.toString()));
      call.on('end', () => respond(null, Buffer.from('done')));
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const client = connect(`http://127.0.0.1:${port}`);
  const settings = await new Promise<Settings>((resolve) => client.once('remoteSettings', resolve));
  expect([settings.maxConcurrentStreams, settings.maxHeaderListSize]).toEqual([7, 5000]);

  expect(await answerOf(client, Buffer.from([0, 0, 0, 0, 2, 0x68, 0x69]))).toContain('done');
  expect(received).toEqual(['hi']);
  expect(calls[0]?.incomingEncoding).toBe('gzip');
  expect(calls[0]?.decoder.write(Buffer.from([0, 0, 0, 0, 1, 7]))).toEqual([Buffer.from([0, 0, 0, 0, 1, 7])]);
  expect(closed).toEqual([false]);
  client.destroy();
  server.forceShutdown();
});

function answerOf(
  client: Http2Session & { request: ReturnType<typeof connect>['request'] },
  body: Buffer,
): Promise<string> {
  const request = client.request({
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    'grpc-encoding': 'gzip',
  });
  return new Promise((resolve, reject) => {
    let text = '';
    request.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    request.on('end', () => resolve(text));
    request.on('error', reject);
    request.end(body);
  });
}
