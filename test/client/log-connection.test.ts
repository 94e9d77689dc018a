import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { LogConnection } from '../../src/client/log-connection.js';
import { WriteError } from '../../src/client/write-error.js';
import { encodeBatch } from '../support/frames.js';
import { LogweirServer } from './logweir-server.js';
import { OverloadedServer } from './overloaded-server.js';
import { TcpProxy } from './tcp-proxy.js';

async function failure(work: Promise<unknown>): Promise<WriteError> {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(WriteError);
    return error as WriteError;
  }
  throw new Error('it did not fail');
}

/** A port where nothing listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** An HTTP server. */
async function listening(): Promise<{ address: string; [Symbol.asyncDispose](): Promise<void> }> {
  const server = createHttpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const nothing = { acknowledged: () => undefined, room: () => undefined };

/** A WriteLogBatch of one frame. */
function batch(id: number, content: string): Buffer {
  return encodeBatch(id, [{ session_id: 's', content }]);
}

describe('LogConnection', () => {
  it('says in one sentence that the server cannot be reached, after the time it was given', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const startedMs = performance.now();
    const error = await failure(LogConnection.open(address, 300));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.canRetry).toBe(true);
    expect(error.message).toBe(`cannot reach logweir at ${address}: is \`logweir serve\` running?`);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  });

  it('says that what listens there does not speak gRPC, as the HTTP port does', async () => {
    await using web = await listening();
    const error = await failure(LogConnection.open(web.address, 300));
    expect(error.message).toBe(
      `cannot reach logweir at ${web.address}: what listens there does not answer gRPC: is it the server's GRPC_PORT?`,
    );
  });

  it.each([
    ['logweir.invalid:50053', /^there is no host of the name logweir\.invalid$|^is `logweir serve` running\?$/],
    ['dns:///127.0.0.1:1', /^is `logweir serve` running\?$/],
    ['[::1]:1', /^is `logweir serve` running\?$/],
    ['unix:/nowhere/logweir.sock', /^is `logweir serve` running\?$/],
  ])('says what to look at when it cannot reach %s', async (address, advice) => {
    const error = await failure(LogConnection.open(address, 300));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.message.replace(`cannot reach logweir at ${address}: `, '')).toMatch(advice);
  });

  it('finds a server that comes up while it connects', async () => {
    await using server = await LogweirServer.start();
    await server.stop();
    const opening = LogConnection.open(server.address, 5_000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await server.listen();
    const connection = await opening;
    connection.close();
  });

  it('says that a server which answers is not logweir', async () => {
    const other = new Server();
    const port = await new Promise<number>((resolve, reject) => {
      other.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    const error = await failure(LogConnection.open(`127.0.0.1:${port}`));
    expect([error.code, error.canRetry]).toEqual(['NOT_LOGWEIR', false]);
    other.forceShutdown();
  });

  it('says in one sentence that a server does not know WriteLogBatches', async () => {
    const old = new Server();
    old.addService(
      {
        WriteLogStream: {
          path: '/logging.v1.LogService/WriteLogStream',
          requestStream: true,
          responseStream: false,
          requestSerialize: (bytes: Buffer) => bytes,
          requestDeserialize: (bytes: Buffer) => bytes,
          responseSerialize: (bytes: Buffer) => bytes,
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      },
      { WriteLogStream: () => undefined },
    );
    const port = await new Promise<number>((resolve, reject) => {
      old.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    const error = await failure(LogConnection.open(`127.0.0.1:${port}`));
    expect(error.message).toBe(
      `the server at 127.0.0.1:${port} does not know logging.v1.LogService/WriteLogBatches: is it a logweir, and a current one?`,
    );
    old.forceShutdown();
  });
});

describe('LogBatchStream', () => {
  it('hands on each acknowledgement, and resolves when the server has ended the call', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const acks: number[] = [];
    const stream = connection.openStream(5_000, { ...nothing, acknowledged: (ack) => acks.push(ack.batch_id) });
    stream.write(1, batch(1, 'one'));
    stream.write(5, batch(5, 'two'));
    stream.end(5_000);
    expect(stream.hasRoom).toBe(false);
    await stream.ended;
    expect(acks.at(-1)).toBe(5);
    expect((await server.stored('s')).map((frame) => frame.content)).toEqual(['one', 'two']);
    connection.close();
  });

  it('tells a lost connection from a server that shuts down', async () => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    const connection = await LogConnection.open(proxy.address);
    const first = connection.openStream(5_000, nothing);
    first.write(1, batch(1, 'x'));
    proxy.cut();
    const lost = await failure(first.ended);
    expect([lost.code, lost.canRetry]).toEqual(['CONNECTION_LOST', true]);

    await connection.ready(5_000);
    const second = connection.openStream(5_000, nothing);
    second.write(1, batch(1, 'y'));
    while ((await server.stored('s')).every((frame) => frame.content !== 'y')) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await server.stop();
    const refused = await failure(second.ended);
    expect([refused.code, refused.canRetry]).toEqual(['UNAVAILABLE', true]);
    connection.close();
  });

  it('has no room while the server takes nothing, and gives up after its time limit', async () => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    const connection = await LogConnection.open(proxy.address);
    const stream = connection.openStream(500, nothing);
    proxy.freeze();
    let written = 0;
    const content = 'x'.repeat(64 * 1024);
    let isEnded = false;
    const ended = failure(stream.ended).finally(() => {
      isEnded = true;
    });
    while (!isEnded) {
      if (stream.hasRoom) {
        written++;
        stream.write(written, batch(written, content));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    const error = await ended;
    expect([error.code, error.canRetry]).toEqual(['TIMED_OUT', true]);
    // What fits into the windows and buffers on the way, and not a batch more.
    expect(written).toBeLessThan(200);
    connection.close();
  });

  it('is not given up while nothing is under way', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    let acknowledged = 0;
    const acknowledgement = { ...nothing, acknowledged: (ack: { batch_id: number }) => (acknowledged = ack.batch_id) };
    const stream = connection.openStream(200, acknowledgement);
    for (const id of [1, 2]) {
      stream.write(id, batch(id, 'x'));
      while (acknowledged < id) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    stream.end(5_000);
    await stream.ended;
    connection.close();
  });

  it('says what the server asks for when it is overloaded', async () => {
    const busy = await OverloadedServer.start(3, 1);
    const connection = await LogConnection.open(busy.address);
    const stream = connection.openStream(5_000, nothing);
    stream.write(1, batch(1, 'x'));
    const error = await failure(stream.ended);
    expect([error.code, error.canRetry, error.retryAfterMs]).toEqual(['OVERLOADED', true, 3_500]);
    connection.close();
    busy.stop();
  });
});
