import { once } from 'node:events';
import { createServer } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { LogConnection } from '../../src/client/log-connection.js';
import { WriteError } from '../../src/client/write-error.js';
import { LogweirServer } from './logweir-server.js';
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

describe('LogStreamWriter', () => {
  it('resolves close() with what the call stored', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const stream = connection.openStream();
    await stream.write({ sessionId: 'a', content: 'one' });
    await stream.write({ sessionId: 'b', content: 'other', seq: 10 });
    await stream.write({ sessionId: 'a', content: 'two' });
    expect(await stream.close()).toEqual({
      framesReceived: 3,
      framesWritten: 3,
      duplicates: 0,
      sessions: expect.arrayContaining([
        { sessionId: 'a', firstSeq: 1, lastSeq: 2 },
        { sessionId: 'b', firstSeq: 10, lastSeq: 10 },
      ]),
      durable: true,
    });
    connection.close();
  });

  it('carries every field of a frame', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const stream = connection.openStream();
    const metadata = { a: [1, { b: null }, 'x', [], {}], t: true, f: false, n: -1.5 };
    await stream.write({
      sessionId: 's',
      content: 'text ✓',
      seq: 9007199254740991,
      time: { seconds: -1, nanos: 5_000_000 },
      userId: 'u',
      role: 'r',
      metadata,
      version: -3,
      producerId: 'p',
      producerSeq: 9007199254740991,
    });
    await stream.close();
    connection.close();
    expect(await server.stored('s')).toEqual([
      {
        seq: 9007199254740991,
        time: '1969-12-31T23:59:59.005Z',
        session_id: 's',
        user_id: 'u',
        role: 'r',
        content: 'text ✓',
        metadata,
        version: -3,
        producer_id: 'p',
        producer_seq: 9007199254740991,
      },
    ]);
  });

  it('says in one sentence that the server cannot be reached, after the time it was given', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const startedMs = performance.now();
    const error = await failure(LogConnection.open(address, 300));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.canRetry).toBe(true);
    expect(error.message).toBe(`cannot reach logweir at ${address}: is \`logweir serve\` running?`);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
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

  it('names the frame that was refused, with everything before it stored', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const stream = connection.openStream();
    await stream.write({ sessionId: 's', content: 'good' });
    await stream.write({ sessionId: 's', content: 'bad', seq: -1 });
    const error = await failure(stream.close());
    expect([error.code, error.canRetry, error.frameIndex, error.framesWritten]).toEqual(['FRAME_REFUSED', false, 1, 1]);
    expect(error.message).toMatch(/^logweir refused a frame: seq /);
    expect((await failure(stream.write({ sessionId: 's', content: 'late' }))).code).toBe('FRAME_REFUSED');
    expect((await server.stored('s')).map((frame) => frame.content)).toEqual(['good']);
    connection.close();
  });

  it('tells a lost connection from a server that shuts down', async () => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    const connection = await LogConnection.open(proxy.address);
    const first = connection.openStream();
    await first.write({ sessionId: 's', content: 'x' });
    proxy.cut();
    const lost = await failure(first.close());
    expect([lost.code, lost.canRetry]).toEqual(['CONNECTION_LOST', true]);

    await connection.ready(5_000);
    const second = connection.openStream();
    await second.write({ sessionId: 's', content: 'y' });
    while ((await server.stored('s')).every((frame) => frame.content !== 'y')) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await server.stop();
    const refused = await failure(second.close());
    expect([refused.code, refused.canRetry]).toEqual(['UNAVAILABLE', true]);
    connection.close();
  });

  it('makes write() wait while the server takes nothing, and gives up after its time limit', async () => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    const connection = await LogConnection.open(proxy.address);
    const stream = connection.openStream({ timeoutMs: 500 });
    proxy.freeze();
    let accepted = 0;
    const error = await failure(
      (async () => {
        for (;;) {
          await stream.write({ sessionId: 's', content: 'x'.repeat(64 * 1024) });
          accepted++;
        }
      })(),
    );
    expect([error.code, error.canRetry]).toEqual(['TIMED_OUT', true]);
    // What fits into the windows and buffers on the way, and not a frame more.
    expect(accepted).toBeLessThan(200);
    connection.close();
  });

  it('takes no frame after close()', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const stream = connection.openStream();
    const closing = stream.close();
    expect((await failure(stream.write({ sessionId: 's', content: 'x' }))).code).toBe('CANCELLED');
    expect((await closing).framesReceived).toBe(0);
    connection.close();
  });
});
