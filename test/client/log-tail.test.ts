/** The reading client against real servers that go away and come back. */
import { describe, expect, it } from 'vitest';
import { LogReader } from '../../src/client/log-reader.js';
import { LogTail, type LogTailOptions } from '../../src/client/log-tail.js';
import { ReadError } from '../../src/client/read-error.js';
import type { TailEvent } from '../../src/client/tail-event.js';
import type { FrameFields } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import { seqs } from '../support/seqs.js';
import { LogweirServer } from './logweir-server.js';
import { TcpProxy } from './tcp-proxy.js';

const WAITING = { timeout: 30_000, interval: 5 };

async function write(server: LogweirServer, from: number, to: number, fields: FrameFields = {}): Promise<void> {
  using writer = new LogClient(server.address);
  await writer.write(seqs(from, to).map((seq) => ({ session_id: 's', seq, content: `line ${seq}`, ...fields })));
}

/** A tail that runs, and what it has given out. */
class RunningTail implements AsyncDisposable {
  readonly seqs: number[] = [];
  readonly others: TailEvent[] = [];
  readonly said: string[] = [];
  readonly ended: Promise<unknown>;
  bytes = '';
  readonly #reader: LogReader;
  readonly #stop = new AbortController();

  constructor(address: string, options: Partial<LogTailOptions> = {}) {
    this.#reader = new LogReader(address);
    const tail = new LogTail(this.#reader, {
      sessionId: 's',
      follow: true,
      signal: this.#stop.signal,
      interrupted: ({ code }) => this.said.push(code),
      resumed: () => this.said.push('resumed'),
      ...options,
    });
    this.ended = this.#take(tail.events()).catch((error: unknown) => error);
  }

  stop(): void {
    this.#stop.abort();
  }

  async #take(events: AsyncIterable<TailEvent>): Promise<void> {
    for await (const event of events) {
      if (event.kind === 'lines') {
        this.bytes += event.bytes.toString();
        const lines = event.bytes.toString().split('\n').slice(0, -1);
        this.seqs.push(...lines.map((line) => (JSON.parse(line) as { seq: number }).seq));
      } else {
        this.others.push(event);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.ended;
    this.#reader.close();
  }
}

describe('a tail', () => {
  it('gives the stored lines byte for byte, and ends', async () => {
    await using server = await LogweirServer.start({ LOG_MAX_SIZE_BYTES: '20000' });
    await write(server, 1, 1000, { role: 'r', content: 'é"\n\u0085', producer_id: 'p' });
    await using tail = new RunningTail(server.address, { follow: false });
    expect(await tail.ended).toBeUndefined();
    expect(tail.bytes).toBe(
      (await server.stored('s'))
        .map((line) => `${JSON.stringify(line)}\n`)
        .join('')
        .replaceAll('\u0085', '\\u0085'),
    );
    expect(tail.others).toEqual([{ kind: 'end', status: 'active', exitCode: null, lastSeq: 1000 }]);
  });

  it('goes on where it was when the server restarts, however often: no line is lost, none comes twice', async () => {
    await using server = await LogweirServer.start({ LOG_MAX_SIZE_BYTES: '20000' });
    await write(server, 1, 500);
    await using tail = new RunningTail(server.address);
    for (let round = 1; round <= 3; round++) {
      await expect.poll(() => tail.seqs.length, WAITING).toBe(500 * round);
      await server.stop();
      await server.listen({ LOG_MAX_SIZE_BYTES: '20000' });
      await write(server, 500 * round + 1, 500 * (round + 1));
    }
    await expect.poll(() => tail.seqs.length, WAITING).toBe(2000);
    expect(tail.seqs).toEqual(seqs(1, 2000));
    expect(tail.said.filter((said) => said === 'resumed')).toHaveLength(3);
  });

  it('goes on where it was when the connection is cut in the middle of lines', async () => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    await write(server, 1, 20_000, { content: 'x'.repeat(200) });
    await using tail = new RunningTail(proxy.address, { follow: false });
    for (const from of [2_000, 8_000]) {
      await expect.poll(() => tail.seqs.length, { timeout: 30_000, interval: 1 }).toBeGreaterThan(from);
      proxy.cut();
    }
    expect(await tail.ended).toBeUndefined();
    expect(tail.seqs).toEqual(seqs(1, 20_000));
  });

  it('begins with the last lines, with none, or behind a line', async () => {
    await using server = await LogweirServer.start();
    await write(server, 1, 10);
    await using last = new RunningTail(server.address, { tail: 3 });
    await using none = new RunningTail(server.address, { tail: 0 });
    await using behind = new RunningTail(server.address, { afterSeq: 8 });
    await expect
      .poll(() => [last.seqs, behind.seqs], WAITING)
      .toEqual([
        [8, 9, 10],
        [9, 10],
      ]);
    await write(server, 11, 12);
    await expect.poll(() => none.seqs, WAITING).toEqual([11, 12]);
    await expect.poll(() => last.seqs, WAITING).toEqual([8, 9, 10, 11, 12]);
  });

  it('with a filter that nothing has passed misses nothing that was written while the server was away', async () => {
    await using server = await LogweirServer.start();
    await using proxy = await TcpProxy.start(server.port);
    await write(server, 1, 100, { role: 'other' });
    await using tail = new RunningTail(proxy.address, { tail: 2, filter: { roles: ['wanted'] } });
    await expect.poll(() => proxy.connections, WAITING).toBeGreaterThan(0);
    await write(server, 101, 101, { role: 'wanted' });
    await expect.poll(() => tail.seqs, WAITING).toEqual([101]);
    await using quiet = new RunningTail(proxy.address, { tail: 2, filter: { roles: ['later'] } });
    await expect.poll(() => proxy.connections, WAITING).toBeGreaterThan(1);
    // It has asked where it begins before it is cut off.
    await expect.poll(() => server.openReaders(), WAITING).toBe(2);
    proxy.close();
    await expect.poll(() => quiet.said.length, WAITING).toBeGreaterThan(0);
    await write(server, 102, 102, { role: 'later' });
    await write(server, 103, 150, { role: 'other' });
    proxy.open();
    await expect.poll(() => quiet.seqs, WAITING).toEqual([102]);
  });

  it('ends at its signal, whatever it waits for, and lets the server go', async () => {
    await using server = await LogweirServer.start();
    await write(server, 1, 1);
    const tail = new RunningTail(server.address);
    await expect.poll(() => tail.seqs, WAITING).toEqual([1]);
    tail.stop();
    expect(await tail.ended).toBeUndefined();
    expect(tail.others).toEqual([]);
    await expect.poll(() => server.openReaders(), WAITING).toBe(0);
    await tail[Symbol.asyncDispose]();
  });

  it.each<[string, Partial<LogTailOptions>, string, string]>([
    ['an unknown session', { sessionId: 'nobody' }, 'UNKNOWN_SESSION', 'there is no session "nobody"'],
    [
      'a pattern that does not compile',
      { filter: { pattern: '(' } },
      'INVALID_REQUEST',
      'logweir refused the request: filter.pattern is no regular expression',
    ],
  ])('is told of %s at once', async (_name, options, code, sentence) => {
    await using server = await LogweirServer.start();
    await write(server, 1, 1);
    await using tail = new RunningTail(server.address, options);
    const error = await tail.ended;
    expect(error).toBeInstanceOf(ReadError);
    expect(error).toMatchObject({ code, canRetry: false });
    expect((error as ReadError).message.slice(0, sentence.length)).toBe(sentence);
    expect(tail.said).toEqual([]);
  });

  it('gives up on a server that is not there, at the start at once and later after its patience', async () => {
    const server = await LogweirServer.start();
    await write(server, 1, 1);
    await using nobody = new RunningTail('127.0.0.1:1', { connectTimeoutMs: 200 });
    expect(await nobody.ended).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('127.0.0.1:1') });
    await using tail = new RunningTail(server.address, { patienceMs: 300 });
    await expect.poll(() => tail.seqs, WAITING).toEqual([1]);
    await server[Symbol.asyncDispose]();
    expect(await tail.ended).toMatchObject({ canRetry: true });
    expect(tail.said).toHaveLength(1);
  });
});
