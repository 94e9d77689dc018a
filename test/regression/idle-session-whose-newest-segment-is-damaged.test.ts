/**
 * Where a session ends was read out of its newest segment: when that was damaged and the session idle, nobody was given a line, and
 * HTTP and the command line did not even say why.
 */
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { registerCat } from '../../src/commands/cat.js';
import { readConfig } from '../../src/config.js';
import { LiveHub } from '../../src/reading/live-hub.js';
import type { Completion, LogEvent } from '../../src/reading/log-events.js';
import { SessionLogSource } from '../../src/reading/session-log-source.js';
import { SessionReader } from '../../src/reading/session-reader.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { startService } from '../../src/service.js';
import { silentLogger } from '../../src/telemetry/logger.js';
import { CommandRun } from '../commands/command-run.js';
import { seqsIn } from '../reading/live-core.js';
import { LogDirFixture, type Place, stemOf, storedLine } from '../reading/log-dir-fixture.js';
import { ReaderClient } from '../support/reader-client.js';
import { seqs } from '../support/seqs.js';
import { SseClient } from '../support/sse-client.js';

const NEWEST = seqs(21, 30);
const DAMAGED = `segment ${stemOf(NEWEST)} is damaged`;
const DATA_LOSS = {
  code: status.DATA_LOSS,
  details: 'a finished segment of the session is damaged: `logweir verify` says which, and how',
};

/** Lines 1 to 30 in three segments; the members of the newest one end with 23, 26, 29 and 30. */
async function idleSession(newest: Place = 'finished-gzip'): Promise<LogDirFixture> {
  const fixture = await LogDirFixture.create();
  await fixture.writeSealed('s', seqs(1, 10), 'finished-gzip');
  await fixture.writeSealed('s', seqs(11, 20), 'finished-gzip');
  await fixture.writeSealed('s', NEWEST, newest);
  return fixture;
}

/** @param fromEnd bytes */
async function flipByte(path: string, fromEnd: number): Promise<void> {
  const bytes = await readFile(path);
  const at = bytes.length - fromEnd;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(path, bytes);
}

/** Its last member holds line 30 alone. */
async function damagedSession(newest: Place = 'finished-gzip'): Promise<LogDirFixture> {
  const fixture = await idleSession(newest);
  await flipByte(join(fixture.layout.sessions, 's', `${stemOf(NEWEST)}.log.gz`), 12);
  return fixture;
}

function sourceOver({ layout }: LogDirFixture, completion: Completion | null = null): SessionLogSource {
  return new SessionLogSource({
    reader: new SessionReader(nodeFiles, layout),
    hub: new LiveHub(),
    completionOf: () => Promise.resolve(completion),
    settled: () => Promise.resolve(),
  });
}

/** What a reading gives, and how it fails; null when it does not. */
async function outcomeOf(reading: AsyncIterable<LogEvent>): Promise<{ events: LogEvent[]; error: unknown }> {
  const events: LogEvent[] = [];
  try {
    for await (const event of reading) {
      events.push(event);
    }
  } catch (error) {
    return { events, error };
  }
  return { events, error: null };
}

const DAMAGE = { name: 'ReadingError', code: 'DAMAGED_SEGMENT', message: DAMAGED };

describe('an idle session whose newest segment is damaged at its end', () => {
  it.each<Place>(['finished-gzip', 'finished-unlisted'])('gives every line before the damage: %s', async (place) => {
    await using fixture = await damagedSession(place);
    const { events, error } = await outcomeOf(sourceOver(fixture).read('s', {}));
    expect(error).toMatchObject(DAMAGE);
    expect(seqsIn(events)).toEqual(seqs(1, 29));
    expect(events.filter(({ kind }) => kind !== 'lines')).toEqual([]);
  });

  it('gives them behind a cursor, and to whoever follows', async () => {
    await using fixture = await damagedSession();
    const completion = { status: 'success', exitCode: 0, lastSeq: 30 };
    for (const over of [null, completion]) {
      for (const follow of [false, true]) {
        const { events, error } = await outcomeOf(sourceOver(fixture, over).read('s', { afterSeq: 15, follow }));
        expect(error).toMatchObject(DAMAGE);
        expect(seqsIn(events)).toEqual(seqs(16, 29));
      }
    }
  });

  it('says where it ends without reading it', async () => {
    await using fixture = await damagedSession();
    const reader = new SessionReader(nodeFiles, fixture.layout);
    expect(await reader.tailRange('s', 0)).toEqual({ afterSeq: 30, throughSeq: 30 });
    expect(reader.inflated.inflatedBytes).toBe(0);
    const completion = { status: 'success', exitCode: 0, lastSeq: 30 };
    for (const request of [{ afterSeq: 30 }, { tail: 0 }, { afterSeq: 30, follow: true }, { tail: 0, follow: true }]) {
      const { events, error } = await outcomeOf(sourceOver(fixture, completion).read('s', request));
      expect(error).toBeNull();
      expect(events).toEqual([{ kind: 'end', lastSeq: 30, completion }]);
    }
  });

  it.each([1, 9, 10, 30])('has no last %d lines: DAMAGED_SEGMENT', async (tail) => {
    await using fixture = await damagedSession();
    for (const follow of [false, true]) {
      expect((await outcomeOf(sourceOver(fixture).read('s', { tail, follow }))).error).toMatchObject(DAMAGE);
    }
  });

  it('is the same under lines that are being written', async () => {
    await using fixture = await damagedSession();
    await fixture.writeActive('s', Buffer.concat([31, 32].map((seq) => storedLine('s', seq))));
    const source = sourceOver(fixture);
    expect(seqsIn((await outcomeOf(source.read('s', { tail: 2 }))).events)).toEqual([31, 32]);
    expect((await outcomeOf(source.read('s', { tail: 3 }))).error).toMatchObject(DAMAGE);
    const { events, error } = await outcomeOf(source.read('s', {}));
    expect(error).toMatchObject(DAMAGE);
    expect(seqsIn(events)).toEqual(seqs(1, 29));
  });
});

describe('a newest segment that is not compressed', () => {
  it.each<[Place, 'sessions' | 'sealing']>([
    ['finished-raw', 'sessions'],
    ['sealing', 'sealing'],
  ])('and ends too early is damaged, for a tail as well: %s', async (place, directory) => {
    await using fixture = await idleSession(place);
    const path = join(fixture.layout[directory], 's', `${stemOf(NEWEST)}.log`);
    for (const lines of [8, 0]) {
      await truncate(path, lines * storedLine('s', 21).length);
      const { events, error } = await outcomeOf(sourceOver(fixture).read('s', {}));
      expect(error).toMatchObject(DAMAGE);
      expect(seqsIn(events)).toEqual(seqs(1, 20 + lines));
      expect((await outcomeOf(sourceOver(fixture).read('s', { tail: 3 }))).error).toMatchObject(DAMAGE);
    }
  });
});

describe('at the doors', () => {
  async function startOver({ layout }: LogDirFixture) {
    const config = readConfig({ LOG_DIR: layout.root, GRPC_PORT: '0', HTTP_PORT: '0' });
    const service = await startService(config, { logger: silentLogger, version: 'test' });
    const reader = new ReaderClient(`127.0.0.1:${service.grpcPort}`);
    return {
      reader,
      http: `http://127.0.0.1:${service.httpPort}/api/v1`,
      async [Symbol.asyncDispose]() {
        reader[Symbol.dispose]();
        await service.stop();
      },
    };
  }

  it('StreamSessionLogs ends with DATA_LOSS, behind the lines before the damage', async () => {
    await using fixture = await damagedSession();
    await using service = await startOver(fixture);
    for (const follow of [false, true]) {
      const stream = service.reader.stream({ session_id: 's', follow });
      expect(await stream.ended).toEqual(DATA_LOSS);
      expect(stream.seqs).toEqual(seqs(1, 29));
    }
    expect(await service.reader.stream({ session_id: 's', tail: 2 }).ended).toEqual(DATA_LOSS);
  });

  it('HTTP says DAMAGED_SEGMENT, behind the lines before the damage', async () => {
    await using fixture = await damagedSession();
    await using service = await startOver(fixture);
    const told = { code: 'DAMAGED_SEGMENT', message: DAMAGED, retry: false };

    await using stream = await SseClient.open(`${service.http}/log-streaming/stream/s`);
    expect(stream.status).toBe(200);
    expect(await stream.ended).toBe(true);
    expect(stream.seqs()).toEqual(seqs(1, 29));
    expect(stream.events.at(-1)).toEqual({ id: null, event: 'error', data: JSON.stringify(told) });

    const download = await fetch(`${service.http}/sessions/s/logs?after_seq=28`);
    expect(download.status).toBe(200);
    let text = '';
    await expect(
      (async () => {
        const decoder = new TextDecoder();
        for await (const bytes of download.body ?? []) {
          text += decoder.decode(bytes, { stream: true });
        }
      })(),
    ).rejects.toThrow('terminated');
    expect(text).toBe(`${storedLine('s', 29).toString()}${JSON.stringify({ error: told })}\n`);

    const tail = await fetch(`${service.http}/sessions/s/logs?tail=1`);
    expect([tail.status, await tail.json()]).toEqual([500, { error: DAMAGED }]);
  });

  it('`logweir cat` prints the lines before the damage, and says which segment it is', async () => {
    await using fixture = await damagedSession();
    const outcome = await new CommandRun().run(registerCat, ['cat', 's', '-o', 'raw', '--dir', fixture.layout.root]);
    expect(outcome.stdout.toString()).toBe(
      seqs(1, 29)
        .map((seq) => `${seq}\n`)
        .join(''),
    );
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(DAMAGED);
  });
});
