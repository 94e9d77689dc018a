import { readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test, vi } from 'vitest';
import type { FrameFields } from '../support/frames.js';
import { type Answer, LogClient } from '../support/log-client.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';
import { storedLines } from '../support/stored.js';

const time = { seconds: 1_763_719_200, nanos: 5_000_000 };

/** Client-numbered frames, every third one without a time. */
function numbered(session_id: string, count: number, first = 1): FrameFields[] {
  return Array.from({ length: count }, (_, index) => {
    const seq = first + index;
    const frame = { session_id, seq, content: `frame ${seq} ${'x'.repeat(seq % 90)}` };
    return seq % 3 === 0 ? frame : { ...frame, time };
  });
}

function trailersOf(answer: Answer): Record<string, unknown> {
  return answer.ok ? {} : answer.trailers.getMap();
}

async function counter(server: ServerProcess, name: string): Promise<number> {
  const text = await (await fetch(`${server.http}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

describe('a frame under a used number', () => {
  test('ends WriteLogStream with ALREADY_EXISTS, naming index and last seq; all before it is stored, nothing after it', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path });
    using client = new LogClient(server.grpc);
    await client.write(numbered('s', 10));
    const answer = await client.write([
      ...numbered('other', 3),
      ...numbered('s', 12),
      { session_id: 's', seq: 4, content: 'not that' },
      { session_id: 's', seq: 13, content: 'never' },
    ]);
    expect(answer).toMatchObject({
      ok: false,
      code: status.ALREADY_EXISTS,
      details:
        "frame 15 (counted from 0): seq 4 is used: another frame is stored under it; the session's last seq is 12",
    });
    expect(trailersOf(answer)).toMatchObject({
      'logweir-frame-index': '15',
      'logweir-frame-field': 'seq',
      'logweir-last-seq': '12',
      'logweir-frames-received': '15',
      'logweir-frames-written': '5',
    });
    expect((await storedLines(directory.path, 's')).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    expect((await storedLines(directory.path, 'other')).length).toBe(3);
    expect(await counter(server, 'logweir_frames_refused_total{reason="conflict"}')).toBe(1);
    expect(
      await counter(server, 'grpc_server_handled_total{grpc_method="WriteLogStream",grpc_code="ALREADY_EXISTS"}'),
    ).toBe(1);
  });

  test('is rejected in WriteLogBatches, and the stream goes on; the log says it once', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path });
    using client = new LogClient(server.grpc);
    const stream = client.openBatches();
    stream.send(1, [
      { session_id: 's', seq: 5, content: 'a' },
      { session_id: 's', seq: 5, content: 'b' },
      { session_id: 's', seq: 6, content: 'c' },
    ]);
    stream.send(2, [
      { session_id: 's', seq: 3, content: 'd' },
      { session_id: 's', seq: 6, content: 'c' },
      { session_id: 's', seq: 7, content: 'e' },
    ]);
    await stream.acknowledged(2);
    expect(await stream.finish()).toMatchObject({ code: status.OK });
    expect(stream.acks.flatMap(({ rejected }) => rejected)).toEqual([
      {
        batch_id: 1,
        index: 1,
        field: 'seq',
        reason: "5 is used: another frame is stored under it; the session's last seq is 5",
      },
      {
        batch_id: 2,
        index: 0,
        field: 'seq',
        reason: "3 was passed over: no frame is stored under it, and none can be any more; the session's last seq is 6",
      },
    ]);
    expect(stream.acks.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(1);
    expect((await storedLines(directory.path, 's')).map(({ content }) => content)).toEqual(['a', 'c', 'e']);
    expect(await counter(server, 'logweir_frames_refused_total{reason="conflict"}')).toBe(2);
    expect(server.log().match(/its number is used/g)?.length).toBe(1);
  });

  test('is named also when every frame of a large batch is: no acknowledgement is larger than a client takes', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path });
    using client = new LogClient(server.grpc);
    const count = 40_000;
    const batch = (content: string, first: number): FrameFields[] =>
      Array.from({ length: count }, (_, index) => ({ session_id: 's', seq: first + index, content }));
    const far = 1_000_000_000_000_000;
    const stream = client.openBatches();
    stream.send(0, batch('a', far));
    await stream.acknowledged(0);
    stream.send(1, batch('b', far));
    stream.send(2, [{ session_id: 's', content: 'after' }]);
    await stream.acknowledged(2);
    expect(await stream.finish()).toMatchObject({ code: status.OK });
    const rejected = stream.acks.flatMap((ack) => ack.rejected);
    expect(rejected.map(({ batch_id, index }) => [batch_id, index])).toEqual(
      Array.from({ length: count }, (_, index) => [1, index]),
    );
    expect(Math.max(...stream.acks.map((ack) => ack.rejected.length))).toBeLessThanOrEqual(4000);
    // What goes ahead acknowledges nothing that was not acknowledged before.
    const ids = stream.acks.map(({ batch_id }) => batch_id);
    expect(ids).toEqual(ids.toSorted((one, other) => one - other));
    const lastNamed = stream.acks.findLastIndex((ack) => ack.rejected.length > 0);
    expect(ids.findIndex((id) => id >= 1)).toBeGreaterThanOrEqual(lastNamed);
  });

  test('is known across rotation into finished segments, kill -9 and restart', async () => {
    await using directory = await temporaryDirectory();
    const environment = { LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '20000' };
    const frames = numbered('s', 1000);
    const first = await startServer(environment);
    {
      using client = new LogClient(first.grpc);
      expect(await client.write(frames)).toMatchObject({ ok: true, response: { frames_written: 1000 } });
    }
    await vi.waitFor(
      async () => {
        const names = await readdir(join(directory.path, 'sessions', 's'));
        expect(names.filter((name) => name.endsWith('.log.gz')).length).toBeGreaterThan(4);
      },
      { timeout: 30_000 },
    );
    await first.end('SIGKILL');

    await using second = await startServer(environment);
    using client = new LogClient(second.grpc);
    expect(await client.write(frames)).toMatchObject({ ok: true, response: { frames_written: 0, duplicates: 1000 } });
    for (const seq of [1, 17, 500, 999, 1000]) {
      const answer = await client.write([{ session_id: 's', seq, content: 'other' }]);
      expect(answer).toMatchObject({ ok: false, code: status.ALREADY_EXISTS });
      expect(trailersOf(answer)).toMatchObject({ 'logweir-last-seq': '1000' });
    }
    // The last segment, too, once it is finished and its writer forgotten.
    expect(await client.write(numbered('s', 10, 1001))).toMatchObject({ ok: true, response: { frames_written: 10 } });
    const lines = await storedLines(directory.path, 's');
    expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 1010 }, (_, index) => index + 1));
  });

  test('sent again after each kill -9 is stored once, whatever was on its way', async () => {
    await using directory = await temporaryDirectory();
    const environment = { LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '50000' };
    const frames = numbered('s', 6000);
    let stored = 0;
    for (let life = 1; life <= 4; life++) {
      await using server = await startServer(environment);
      using client = new LogClient(server.grpc);
      const stream = client.openBatches();
      for (let at = 0; at < frames.length; at += 100) {
        stream.send(at / 100 + 1, frames.slice(at, at + 100));
      }
      if (life < 4) {
        // Further into the frames with each life, in the middle of a batch or wherever it happens to be.
        await stream.acknowledged(life * 15);
        await server.end('SIGKILL');
        await stream.ended;
      } else {
        expect(await stream.finish()).toMatchObject({ code: status.OK });
        expect(stream.acks.at(-1)?.batch_id).toBe(60);
      }
      expect(stream.acks.flatMap(({ rejected }) => rejected)).toEqual([]);
      const seqs = (await storedLines(directory.path, 's')).map(({ seq }) => seq);
      expect(seqs.length).toBeGreaterThanOrEqual(Math.max(stored, life * 1500));
      expect(seqs).toEqual(seqs.map((_, index) => index + 1));
      stored = seqs.length;
    }
    const lines = await storedLines(directory.path, 's');
    expect(lines.map(({ content }) => content)).toEqual(frames.map(({ content }) => content));
  });

  test('whose stored line can not be read is neither a duplicate nor a conflict: the status says which', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path, LOG_IDLE_SECONDS: '1' });
    using client = new LogClient(server.grpc);
    const finished = join(directory.path, 'sessions', 's');
    const segment = async (): Promise<string> => {
      const names = await readdir(finished).catch(() => []);
      const name = names.find((candidate) => candidate.endsWith('.log.gz'));
      expect(name).toBeDefined();
      return join(finished, name ?? '');
    };
    await client.write(numbered('s', 2500));
    const path = await vi.waitFor(segment, { timeout: 30_000 });
    await vi.waitFor(async () => expect(await counter(server, 'logweir_sessions_open')).toBe(0), { timeout: 30_000 });
    const whole = await readFile(path);
    const retry = [{ session_id: 'good', content: 'before' }, ...numbered('s', 1, 2000)];
    const inDoubt =
      "what the session stored under the number of a repeated frame can not be read: whether it is stored can't be told";

    await writeFile(path, Buffer.concat([whole.subarray(0, 200), Buffer.alloc(whole.length - 200, 0xa5)]));
    const damaged = await client.write(retry);
    expect(damaged).toMatchObject({ ok: false, code: status.INTERNAL, details: inDoubt });
    expect(trailersOf(damaged)).toMatchObject({ 'logweir-frames-written': '1' });

    // Files are never followed out of LOG_DIR: ELOOP, an error of the disk.
    await rename(path, join(directory.path, 'elsewhere'));
    await symlink(join(directory.path, 'elsewhere'), path);
    const failing = await client.write(retry);
    expect(failing).toMatchObject({ ok: false, code: status.UNAVAILABLE, details: inDoubt });
    expect(trailersOf(failing)).toHaveProperty('grpc-status-details-bin');

    await rm(path);
    await writeFile(path, whole);
    expect(await client.write(retry)).toMatchObject({ ok: true, response: { frames_written: 1, duplicates: 1 } });
    expect(await counter(server, 'logweir_frames_refused_total{reason="conflict"}')).toBe(0);
    expect(server.log().match(/stored lines could not be read/g)?.length).toBe(2);
  });

  test('is known when the session is idle and forgotten', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path, LOG_IDLE_SECONDS: '1' });
    using client = new LogClient(server.grpc);
    await client.write(numbered('s', 50));
    await vi.waitFor(async () => expect(await counter(server, 'logweir_sessions_open')).toBe(0), { timeout: 30_000 });
    expect(await client.write(numbered('s', 50))).toMatchObject({ ok: true, response: { duplicates: 50 } });
    expect(await client.write([{ session_id: 's', seq: 50 }])).toMatchObject({ code: status.ALREADY_EXISTS });
  });

  test('of two agents that number one session is reported to the one that came later, frame by frame', async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServer({ LOG_DIR: directory.path, LOG_MAX_SIZE_BYTES: '20000' });
    const count = 3000;
    const agents = await Promise.all(
      ['a', 'b'].map(async (name) => {
        using client = new LogClient(server.grpc);
        const stream = client.openBatches();
        for (let batch = 0; batch < count / 50; batch++) {
          stream.send(
            batch + 1,
            Array.from({ length: 50 }, (_, index) => ({
              session_id: 's',
              seq: batch * 50 + index + 1,
              content: name,
            })),
          );
        }
        expect(await stream.finish()).toMatchObject({ code: status.OK });
        const rejected = stream.acks.flatMap((ack) => ack.rejected);
        const duplicates = stream.acks.reduce((sum, ack) => sum + ack.duplicates, 0);
        return {
          name,
          rejected: new Set(rejected.map(({ batch_id, index }) => (batch_id - 1) * 50 + index + 1)),
          duplicates,
        };
      }),
    );
    const stored = new Map((await storedLines(directory.path, 's')).map(({ seq, content }) => [seq, content]));
    expect(agents.map(({ duplicates }) => duplicates)).toEqual([0, 0]);
    for (const { name, rejected } of agents) {
      for (let seq = 1; seq <= count; seq++) {
        expect(rejected.has(seq)).toBe(stored.get(seq) !== name);
      }
    }
    expect(stored.size).toBeGreaterThan(0);
    expect((agents[0]?.rejected.size ?? 0) + (agents[1]?.rejected.size ?? 0)).toBe(2 * count - stored.size);
  });
});
