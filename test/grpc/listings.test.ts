import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';
import type { Manifest } from '../../src/segment/manifest.js';
import { startService } from '../../src/service.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { LogDirFixture } from '../reading/log-dir-fixture.js';
import { LogClient } from '../support/log-client.js';
import { ReaderClient, type Segment, type SessionInfo } from '../support/reader-client.js';
import { temporaryDirectory } from '../support/session-room.js';

const WAITING = { timeout: 30_000, interval: 5 };

interface Sessions {
  sessions: SessionInfo[];
  next_page_token: string;
}

interface Segments {
  segments: Segment[];
  next_page_token: string;
}

async function start(logDir: string, env: Record<string, string> = {}) {
  const config = readConfig({ LOG_DIR: logDir, GRPC_PORT: '0', HTTP_PORT: '0', ...env });
  const service = await startService(config, { logger: createLogger('silent'), version: 'test' });
  const writer = new LogClient(`127.0.0.1:${service.grpcPort}`);
  const reader = new ReaderClient(`127.0.0.1:${service.grpcPort}`);
  return {
    writer,
    reader,
    async [Symbol.asyncDispose]() {
      writer[Symbol.dispose]();
      reader[Symbol.dispose]();
      await service.stop();
    },
  };
}

const idsOf = ({ sessions }: Sessions): string[] => sessions.map((session) => session.session_id);
const segmentIdsOf = ({ segments }: Segments): string[] => segments.map((segment) => segment.id);

describe('ListSessions', () => {
  test('pages through all sessions, each once, as GetSession tells of them', async () => {
    await using directory = await temporaryDirectory();
    await using service = await start(directory.path);
    const ids = ['a', 'a/b', 'ä', 'b-1', 'b-2', 'x'.repeat(300), '.hidden'];
    await service.writer.write(ids.map((session_id) => ({ session_id, content: 'x' })));
    const pages = await service.reader.pages<Sessions>('ListSessions', { page_size: 2 });
    expect(pages.map((page) => page.sessions.length)).toEqual([2, 2, 2, 1]);
    expect(pages.flatMap(idsOf).toSorted()).toEqual(ids.toSorted());
    for (const session of pages.flatMap((page) => page.sessions)) {
      expect(session).toEqual(await service.reader.session(session.session_id));
    }
    expect((await service.reader.pages<Sessions>('ListSessions', { prefix: 'b-' })).flatMap(idsOf)).toEqual([
      'b-1',
      'b-2',
    ]);
    expect((await service.reader.pages<Sessions>('ListSessions', { prefix: 'xxx' })).flatMap(idsOf)).toEqual([ids[5]]);
    expect((await service.reader.pages<Sessions>('ListSessions', { prefix: 'nobody' })).flatMap(idsOf)).toEqual([]);
  });

  test('a page that comes later misses none that was there, whatever comes and goes meanwhile', async () => {
    await using fixture = await LogDirFixture.create();
    for (const id of ['b', 'd', 'f', 'h']) {
      await fixture.writeSealed(id, [1], 'finished-gzip');
    }
    await using service = await start(fixture.layout.root);
    const first = await service.reader.ask<Sessions>('ListSessions', { page_size: 2 });
    expect('sessions' in first && idsOf(first)).toEqual(['b', 'd']);
    // The one that the page ended at, and one before it that nobody has had.
    await rm(join(fixture.layout.sessions, 'd'), { recursive: true });
    await fixture.writeSealed('c', [1], 'finished-gzip');
    await fixture.writeSealed('e', [1], 'finished-gzip');
    const page_token = 'next_page_token' in first ? first.next_page_token : '';
    const second = await service.reader.ask<Sessions>('ListSessions', { page_size: 10, page_token });
    expect('sessions' in second && idsOf(second)).toEqual(['e', 'f', 'h']);
  });

  test.each([
    [{ page_size: 1001 }, 'page_size is above 1000'],
    [{ page_token: 'x' }, 'page_token is none that this method gave out'],
    [{ page_token: Buffer.from('[1]').toString('base64url') }, 'page_token is none that this method gave out'],
    [{ prefix: 'p'.repeat(1025) }, 'prefix is longer than 1,024 bytes'],
    [{ prefix: 'p'.repeat(5000) }, 'request is larger than 4096 bytes'],
    [Buffer.from([0xff]), 'request is not a valid ListSessionsRequest message'],
  ])('%j is INVALID_ARGUMENT and names the field', async (request, details) => {
    await using directory = await temporaryDirectory();
    await using service = await start(directory.path);
    expect(await service.reader.ask('ListSessions', request)).toEqual({ code: status.INVALID_ARGUMENT, details });
  });
});

describe('ListSegments', () => {
  test('tells of finished segments what their manifests say', async () => {
    await using directory = await temporaryDirectory();
    await using service = await start(directory.path, { LOG_MAX_SIZE_BYTES: '300' });
    await service.writer.write(
      Array.from({ length: 20 }, (_, index) => ({
        session_id: 's',
        content: `${index}`,
        producer_id: 'p',
        producer_seq: index + 1,
        time: { seconds: index, nanos: 5 },
      })),
    );
    await expect.poll(() => readdir(join(directory.path, 'sealing', 's')).catch(() => []), WAITING).toEqual([]);
    const finished = join(directory.path, 'sessions', 's');
    const names = (await readdir(finished)).filter((name) => name.endsWith('.json')).toSorted();
    const manifests = await Promise.all(
      names.map(async (name) => JSON.parse(await readFile(join(finished, name), 'utf8')) as Manifest),
    );
    expect(manifests.length).toBeGreaterThan(3);
    const [page] = await service.reader.pages<Segments>('ListSegments', { session_id: 's' });
    const instant = (text: string, nanos = 0) => ({ seconds: Math.floor(Date.parse(text) / 1000), nanos });
    expect(page?.segments).toEqual(
      manifests.map((manifest) => ({
        ...manifest,
        first_time: instant(manifest.first_time, 5),
        last_time: instant(manifest.last_time, 5),
        sealed_at: instant(manifest.sealed_at),
        prev_sha256: manifest.prev_sha256 ?? '',
      })),
    );
  });

  test('pages through the segments of all sessions, oldest seal first, each once', async () => {
    await using fixture = await LogDirFixture.create();
    const ids = ['b', 'a', 'c'];
    for (const id of ids) {
      await fixture.writeSealed(id, [1, 2], 'finished-gzip');
      await fixture.writeSealed(id, [3], 'finished-raw');
      // Without a manifest it is not finished.
      await fixture.writeSealed(id, [4], 'finished-unlisted');
    }
    await writeFile(join(fixture.layout.sessions, 'stray'), 'no directory');
    const later = manifestOf('z', 1, '2026-11-21T09:59:59Z');
    await mkdir(join(fixture.layout.sessions, 'z'));
    await writeFile(join(fixture.layout.sessions, 'z', `${later.stem}.json`), `${JSON.stringify(later.manifest)}\n`);
    await using service = await start(fixture.layout.root);
    const expected = ['z/1-1', 'a/1-2', 'a/3-3', 'b/1-2', 'b/3-3', 'c/1-2', 'c/3-3'];
    for (const page_size of [1, 2, 3, 7, 100]) {
      const pages = await service.reader.pages<Segments>('ListSegments', { page_size });
      expect(pages.flatMap(segmentIdsOf)).toEqual(expected);
      expect(pages).toHaveLength(Math.ceil(expected.length / page_size));
    }
    const since = async (sealed_after: object): Promise<string[]> =>
      (await service.reader.pages<Segments>('ListSegments', { sealed_after })).flatMap(segmentIdsOf);
    const tenOclock = Date.UTC(2026, 10, 21, 10) / 1000;
    expect(await since({ seconds: tenOclock })).toEqual(expected.slice(1));
    expect(await since({ seconds: tenOclock - 1 })).toEqual(expected);
    expect(await since({ seconds: tenOclock - 1, nanos: 1 })).toEqual(expected.slice(1));
    expect(await since({ seconds: tenOclock + 1 })).toEqual([]);
    expect((await service.reader.pages<Segments>('ListSegments', { session_id: 'b' })).flatMap(segmentIdsOf)).toEqual([
      'b/1-2',
      'b/3-3',
    ]);
  });

  test('a page is cut where clients would not take it', async () => {
    await using fixture = await LogDirFixture.create();
    await mkdir(join(fixture.layout.sessions, 's'), { recursive: true });
    for (let seq = 1; seq <= 5; seq++) {
      const { stem, manifest } = manifestOf('s', seq, '2026-11-21T10:00:00Z');
      const producers = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`${i}${'p'.repeat(240)}`, i + 1]));
      const content = `${JSON.stringify({ ...manifest, producers })}\n`;
      await writeFile(join(fixture.layout.sessions, 's', `${stem}.json`), content);
    }
    await using service = await start(fixture.layout.root);
    const pages = await service.reader.pages<Segments>('ListSegments', {});
    expect(pages.map((page) => page.segments.length)).toEqual([2, 2, 1]);
  });

  test('what can not be read hides no segment behind it, on whatever page it stands', async () => {
    await using fixture = await LogDirFixture.create();
    const directory = join(fixture.layout.sessions, 's');
    await mkdir(directory, { recursive: true });
    for (let seq = 1; seq <= 6; seq++) {
      const { stem, manifest } = manifestOf('s', seq, '2026-11-21T10:00:00Z');
      const path = join(directory, `${stem}.json`);
      if (seq === 5) {
        await mkdir(path);
      } else {
        const version = seq === 2 ? { format_version: 99 } : {};
        await writeFile(path, seq === 3 ? '{"id":' : `${JSON.stringify({ ...manifest, ...version })}\n`);
      }
    }
    await using service = await start(fixture.layout.root);
    for (const page_size of [1, 2, 3, 100]) {
      const pages = await service.reader.pages<Segments>('ListSegments', { page_size });
      expect(pages.flatMap(segmentIdsOf)).toEqual(['s/1-1', 's/4-4', 's/6-6']);
    }
  });

  test('an unknown session is NOT_FOUND, one without a finished segment is not', async () => {
    await using directory = await temporaryDirectory();
    await using service = await start(directory.path);
    await service.writer.write([{ session_id: 's', content: 'x' }]);
    expect(await service.reader.ask('ListSegments', { session_id: 'nobody' })).toEqual({
      code: status.NOT_FOUND,
      details: 'nothing is stored under this session_id',
    });
    expect(await service.reader.ask('ListSegments', { session_id: 's' })).toEqual({
      segments: [],
      next_page_token: '',
    });
  });

  test.each([
    [{ session_id: 's'.repeat(1025) }, 'session_id is longer than 1,024 bytes'],
    [{ page_size: 2 ** 32 - 1 }, 'page_size is above 1000'],
    [{ page_token: Buffer.from('["a"]').toString('base64url') }, 'page_token is none that this method gave out'],
    [{ sealed_after: { seconds: -1e12 } }, 'sealed_after is no time between the years 1 and 9999'],
  ])('%j is INVALID_ARGUMENT and names the field', async (request, details) => {
    await using directory = await temporaryDirectory();
    await using service = await start(directory.path);
    expect(await service.reader.ask('ListSegments', request)).toEqual({ code: status.INVALID_ARGUMENT, details });
  });
});

function manifestOf(session: string, seq: number, sealedAt: string): { stem: string; manifest: Manifest } {
  const padded = String(seq).padStart(16, '0');
  return {
    stem: `${padded}-${padded}_${sealedAt.replaceAll(/[-:]/g, '')}`,
    manifest: {
      id: `${session}/${seq}-${seq}`,
      session_id: session,
      first_seq: seq,
      last_seq: seq,
      frames: 1,
      gaps: 0,
      first_time: sealedAt,
      last_time: sealedAt,
      bytes: 1,
      sha256: '0'.repeat(64),
      prev_sha256: null,
      compression: 'none',
      compressed_bytes: 1,
      members: [],
      path: 'nowhere',
      sealed_at: sealedAt,
      reason: 'size',
      producers: {},
      format_version: 1,
    },
  };
}
