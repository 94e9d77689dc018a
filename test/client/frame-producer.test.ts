import { describe, expect, it } from 'vitest';
import { FrameProducer } from '../../src/client/frame-producer.js';
import { LogConnection } from '../../src/client/log-connection.js';
import type { ProducerReport } from '../../src/client/producer-report.js';
import { LogweirServer } from './logweir-server.js';
import { OverloadedServer } from './overloaded-server.js';
import { TcpProxy } from './tcp-proxy.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isDone())) {
    await pause(10);
  }
}

async function writeAll(producer: FrameProducer, from: number, to: number, size = 0): Promise<void> {
  for (let i = from; i <= to; i++) {
    await producer.write({ sessionId: 's', content: `${i}${'.'.repeat(size)}` });
  }
}

const contents = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

function counts(report: ProducerReport) {
  return [report.stored, report.unconfirmed, report.error?.code ?? null];
}

describe('FrameProducer', () => {
  it('stores every frame once and in order, over many batches', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const producer = new FrameProducer(connection, { batchFramesMax: 100 });
    await writeAll(producer, 1, 2_550);
    const report = await producer.finish();
    connection.close();
    expect(report).toEqual({
      stored: 2_550,
      storedLines: 2_550,
      duplicates: 0,
      unconfirmed: 0,
      unconfirmedLines: 0,
      ranges: [{ sessionId: 's', firstSeq: 1, lastSeq: 2_550 }],
      error: null,
      refused: 0,
      refusedAt: null,
    });
    const stored = await server.stored('s');
    expect(stored.map((frame) => frame.content)).toEqual(contents(1, 2_550));
    expect(new Set(stored.map((frame) => frame.producer_id))).toEqual(new Set([producer.producerId]));
    expect(stored.map((frame) => frame.producer_seq)).toEqual(stored.map((frame) => frame.seq));
  });

  it('has a single frame stored and acknowledged at once', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const producer = new FrameProducer(connection);
    await writeAll(producer, 1, 1);
    await until(() => producer.progress.stored === 1);
    expect((await server.stored('s')).length).toBe(1);
    expect(counts(await producer.finish())).toEqual([1, 0, null]);
    connection.close();
  });

  it('sends what gathers while a batch is not acknowledged yet', async () => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    const connection = await LogConnection.open(proxy.address);
    const producer = new FrameProducer(connection);
    await writeAll(producer, 1, 1);
    await until(() => producer.progress.stored === 1);
    proxy.holdAnswers();
    await writeAll(producer, 2, 2);
    await until(async () => (await server.stored('s')).length === 2);
    await writeAll(producer, 3, 3);
    await until(async () => (await server.stored('s')).length === 3);
    expect(producer.progress).toMatchObject({ taken: 3, stored: 1, state: 'streaming' });
    proxy.thaw();
    expect(counts(await producer.finish())).toEqual([3, 0, null]);
    connection.close();
  });

  it('stores every frame once although the connection breaks again and again at any byte', async () => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    const connection = await LogConnection.open(proxy.address);
    const producer = new FrameProducer(connection, { batchFramesMax: 20 });
    let passed = 0;
    let cutAt = 7_000;
    proxy.onRequestBytes = (count) => {
      passed += count;
      if (passed >= cutAt && cutAt < 200_000) {
        cutAt += 17_123;
        proxy.cut();
      }
    };
    await writeAll(producer, 1, 3_000, 20);
    const report = await producer.finish();
    connection.close();
    expect(proxy.connections).toBeGreaterThan(5);
    expect(counts(report)).toEqual([3_000, 0, null]);
    const stored = await server.stored('s');
    expect(stored.map((frame) => frame.content?.replace(/\.+$/, ''))).toEqual(contents(1, 3_000));
  });

  it('goes on where it was after a restart of the server', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const producer = new FrameProducer(connection, { batchFramesMax: 50 });
    await writeAll(producer, 1, 500);
    await server.stop();
    await writeAll(producer, 501, 1_000);
    await until(() => producer.progress.state === 'reconnecting');
    await server.listen();
    const report = await producer.finish();
    connection.close();
    expect(counts(report)).toEqual([1_000, 0, null]);
    expect((await server.stored('s')).map((frame) => frame.content)).toEqual(contents(1, 1_000));
  });

  it('makes write() wait when its bound is reached, and holds no more than that', async () => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    const connection = await LogConnection.open(proxy.address);
    const producer = new FrameProducer(connection, { pendingBytesMax: 100_000 });
    proxy.freeze();
    const writing = writeAll(producer, 1, 1_000, 1_000);
    await pause(300);
    const { taken, stored } = producer.progress;
    await pause(300);
    expect(producer.progress).toMatchObject({ taken, stored });
    expect(taken).toBeLessThan(100);
    proxy.thaw();
    await writing;
    expect(counts(await producer.finish())).toEqual([1_000, 0, null]);
    expect(await server.stored('s')).toHaveLength(1_000);
    connection.close();
  });

  it('stops waiting for a server that stays away, and counts exactly what is lost', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const producer = new FrameProducer(connection, { pendingBytesMax: 10_000, giveUpMs: 400 });
    await writeAll(producer, 1, 10);
    await until(() => producer.progress.stored === 10);
    await server.stop();
    await writeAll(producer, 11, 1_000, 100);
    const report = await producer.finish();
    connection.close();
    expect(counts(report)).toEqual([10, 990, 'UNREACHABLE']);
  });

  it('leaves a gap for what was lost while the server was away, and stores what comes afterwards', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const producer = new FrameProducer(connection, { pendingBytesMax: 10_000, giveUpMs: 400 });
    await writeAll(producer, 1, 10);
    await until(() => producer.progress.stored === 10);
    await server.stop();
    await writeAll(producer, 11, 200, 200);
    await server.listen();
    await until(() => producer.progress.state === 'streaming');
    await writeAll(producer, 201, 210);
    const report = await producer.finish();
    connection.close();
    const stored = await server.stored('s');
    expect(report.stored + report.unconfirmed).toBe(210);
    expect(report.unconfirmed).toBeGreaterThan(100);
    expect(report.error?.message).toContain('was away');
    expect(stored).toHaveLength(report.stored);
    expect(stored.slice(-10).map((frame) => frame.content)).toEqual(contents(201, 210));
    expect(stored.slice(-10).map((frame) => frame.producer_seq)).toEqual(contents(201, 210).map(Number));
  });

  it('stops at a frame that is refused, and says which', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const producer = new FrameProducer(connection, { batchFramesMax: 10 });
    await writeAll(producer, 1, 25);
    await producer.write({ sessionId: 's', content: 'bad', seq: -1 });
    await until(() => producer.progress.state === 'stopped');
    expect(await producer.write({ sessionId: 's', content: 'late' })).toBe(false);
    const report = await producer.finish();
    connection.close();
    expect(counts(report)).toEqual([25, 1, 'FRAME_REFUSED']);
    expect(report.refusedAt).toBe(25);
    expect((await server.stored('s')).map((frame) => frame.content)).toEqual(contents(1, 25));
  });

  it('counts exactly what is stored when a frame in the middle is refused', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const producer = new FrameProducer(connection, { batchFramesMax: 5 });
    await writeAll(producer, 1, 10);
    await producer.write({ sessionId: 's', content: 'bad', seq: -1 });
    await writeAll(producer, 12, 20_000);
    const report = await producer.finish();
    connection.close();
    expect([report.refused, report.refusedAt, report.error?.code]).toEqual([1, 10, 'FRAME_REFUSED']);
    expect(report.error?.message).toBe('logweir refused a frame: seq is outside 0 to 2^53-1');
    expect(report.stored + report.unconfirmed).toBe(19_999);
    // What was not under way yet is not sent.
    expect(report.unconfirmed).toBeGreaterThan(0);
    const stored = (await server.stored('s')).map((frame) => Number(frame.content));
    expect(stored).toHaveLength(report.stored);
    expect(stored.slice(0, 10)).toEqual(contents(1, 10).map(Number));
    expect(stored).toEqual(stored.toSorted((one, other) => one - other));
  });

  it.each([
    ['with its batch', '1000'],
    ['by its acknowledgement', '100000'],
  ])(
    'stores nothing behind a large frame that is refused %s, and everything before it',
    async (_how, maxFrameBytes) => {
      await using server = await LogweirServer.start({ LOG_MAX_FRAME_BYTES: maxFrameBytes });
      const connection = await LogConnection.open(server.address);
      const producer = new FrameProducer(connection);
      await writeAll(producer, 1, 3_000);
      await producer.write({ sessionId: 's', content: 'x'.repeat(300_000) });
      await writeAll(producer, 3_002, 3_010);
      const report = await producer.finish();
      connection.close();
      expect(counts(report)).toEqual([3_000, 9, 'FRAME_REFUSED']);
      expect([report.refused, report.refusedAt]).toEqual([1, 3_000]);
      expect((await server.stored('s')).map((frame) => frame.content)).toEqual(contents(1, 3_000));
    },
  );

  it('stores what came before a frame that has no bytes, and names it', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const producer = new FrameProducer(connection);
    await writeAll(producer, 1, 3);
    expect(await producer.write({ sessionId: 's', content: 'bad', seq: 0.5 })).toBe(false);
    expect(await producer.write({ sessionId: 's', content: 'late' })).toBe(false);
    const report = await producer.finish();
    connection.close();
    expect(counts(report)).toEqual([3, 1, 'FRAME_REFUSED']);
    expect([report.refused, report.refusedAt]).toEqual([1, 3]);
    expect((await server.stored('s')).map((frame) => frame.content)).toEqual(contents(1, 3));
  });

  it('leaves an overloaded server alone for as long as it asks, and then sends everything', async () => {
    const overloaded = await OverloadedServer.start(2, 1);
    const connection = await LogConnection.open(overloaded.address);
    const producer = new FrameProducer(connection);
    await writeAll(producer, 1, 100);
    const report = await producer.finish();
    connection.close();
    overloaded.stop();
    expect(counts(report)).toEqual([100, 0, null]);
    const [refused = 0, taken = 0] = overloaded.streamsAtMs;
    expect(taken - refused).toBeGreaterThanOrEqual(1_900);
  });

  it('leaves the marks of frames that carry their own', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const producer = new FrameProducer(connection);
    await producer.write({ sessionId: 's', content: 'a', seq: 4 });
    await producer.write({ sessionId: 's', content: 'b', producerId: 'mine', producerSeq: 9 });
    await producer.write({ sessionId: 's', content: 'b', producerId: 'mine', producerSeq: 9 });
    const report = await producer.finish();
    connection.close();
    expect([report.stored, report.duplicates]).toEqual([3, 1]);
    const marks = (await server.stored('s')).map((frame) => [frame.seq, frame.producer_id, frame.producer_seq]);
    expect(marks).toEqual([
      [4, undefined, undefined],
      [5, 'mine', 9],
    ]);
  });

  it('ends at once when it is abandoned while the server is away', async () => {
    await using server = await LogweirServer.start();
    const connection = await LogConnection.open(server.address);
    const producer = new FrameProducer(connection);
    await server.stop();
    await writeAll(producer, 1, 5);
    await until(() => producer.progress.state === 'reconnecting');
    const finishing = producer.finish();
    const abandonedAt = performance.now();
    producer.abandon();
    expect(counts(await finishing)).toEqual([0, 5, 'CANCELLED']);
    expect(performance.now() - abandonedAt).toBeLessThan(100);
    connection.close();
  });

  it('ends at once when it is abandoned', async () => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    const connection = await LogConnection.open(proxy.address);
    const producer = new FrameProducer(connection);
    proxy.freeze();
    await writeAll(producer, 1, 5);
    const finishing = producer.finish();
    producer.abandon();
    expect(counts(await finishing)).toEqual([0, 5, 'CANCELLED']);
    connection.close();
  });
});
