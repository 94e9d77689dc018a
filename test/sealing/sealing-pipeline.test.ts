import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Files } from '../../src/segment/files.js';
import type { Layout } from '../../src/segment/layout.js';
import { interceptedFiles } from './faulty-files.js';
import { filesUnder, logDirectory, manifestsOf, recordsOf, sealRaw, startSealing, timeOf, until } from './fixture.js';

const SEGMENT = '0000000000000007-0000000000000011_20261121T100000Z';

test('a sealed segment becomes a gzip file, its manifest and an outbox record, and nothing else', async () => {
  const layout = logDirectory();
  const { pipeline, outbox, metrics } = await startSealing(layout);
  const segment = sealRaw(layout, { firstSeq: 7, producers: new Map([['w3', 9]]), reason: 'age' });
  const raw = readFileSync(segment.rawPath);

  pipeline.accept(segment);
  expect(pipeline.queueLength).toBe(1);
  await pipeline.whenIdle();

  expect(pipeline.queueLength).toBe(0);
  const record = 'rotation_build-42_0000000000000007-0000000000000011.json';
  expect(filesUnder(layout.root)).toEqual([
    `outbox/${record}`,
    `sessions/build-42/${SEGMENT}.json`,
    `sessions/build-42/${SEGMENT}.log.gz`,
  ]);
  const compressed = readFileSync(join(layout.sessions, `build-42/${SEGMENT}.log.gz`));
  expect(gunzipSync(compressed).equals(raw)).toBe(true);
  const manifest =
    '{"id":"build-42/7-11","session_id":"build-42","first_seq":7,"last_seq":11,"frames":5,"gaps":0,' +
    `"first_time":"${timeOf(7)}","last_time":"${timeOf(11)}","bytes":${raw.length},` +
    `"sha256":"${createHash('sha256').update(raw).digest('hex')}","prev_sha256":null,"compression":"gzip",` +
    `"compressed_bytes":${compressed.length},"members":[{"first_seq":7,"raw_offset":0,"compressed_offset":0}],` +
    `"path":"sessions/build-42/${SEGMENT}.log.gz","sealed_at":"2026-11-21T10:00:00Z","reason":"age",` +
    '"producers":{"w3":9},"format_version":1}';
  expect(readFileSync(join(layout.sessions, `build-42/${SEGMENT}.json`), 'utf8')).toBe(`${manifest}\n`);

  const written = readFileSync(join(layout.outbox, record), 'utf8');
  const content = `${manifest.slice(0, -1)},"event_id":"rotation:build-42/7-11"}`;
  const { timestamp } = JSON.parse(written);
  expect(written).toBe(`{"type":"log_rotation","encoding":"json","content":${content},"timestamp":"${timestamp}"}\n`);
  expect(timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/);
  expect(outbox.ready(10).map((name) => name.fileName)).toEqual([record]);
  const scrape = await metrics.registry.metrics();
  expect(scrape).toContain(`logweir_compression_input_bytes_total ${raw.length}\n`);
  expect(scrape).toContain(`logweir_compression_output_bytes_total ${compressed.length}\n`);
  expect(scrape).toContain('logweir_compression_seconds_count 1\n');
});

/** A disk whose calls that matter for durability are written down, paths relative to LOG_DIR. */
function watchedDisk(layout: Layout): { files: Files; calls: string[] } {
  const calls: string[] = [];
  const watched = new Set(['rename', 'remove', 'syncDirectory', 'datasync', 'makeDirectory']);
  const files = interceptedFiles(({ name, paths }) => {
    const call = [name, ...paths.map((path) => path.slice(layout.root.length + 1))].join(' ');
    // Clearing the place for a new file says nothing.
    if (watched.has(name) && !/^remove (sessions|.*tmp$)/.test(call)) {
      calls.push(call);
    }
  });
  return { files, calls };
}

const DIRECTORY = 'sessions/build-42';
const GZ = `${DIRECTORY}/${SEGMENT}.log.gz`;
const JSON_FILE = `${DIRECTORY}/${SEGMENT}.json`;
const RECORD = 'outbox/rotation_build-42_0000000000000007-0000000000000011.json';

test('the steps touch the disk in the order that survives a power cut', async () => {
  const layout = logDirectory();
  const { files, calls } = watchedDisk(layout);
  const { pipeline } = await startSealing(layout, { files });
  calls.length = 0;
  pipeline.accept(sealRaw(layout, { firstSeq: 7 }));
  await pipeline.whenIdle();
  expect(calls).toEqual([
    `makeDirectory ${DIRECTORY}`,
    'syncDirectory sessions',
    // The thread made, verified and synced the temporary file.
    `rename ${GZ}.tmp ${GZ}`,
    `syncDirectory ${DIRECTORY}`,
    `datasync ${JSON_FILE}.tmp`,
    `rename ${JSON_FILE}.tmp ${JSON_FILE}`,
    `syncDirectory ${DIRECTORY}`,
    `datasync ${RECORD}.tmp`,
    `rename ${RECORD}.tmp ${RECORD}`,
    'syncDirectory outbox',
    `remove sealing/build-42/${SEGMENT}.log`,
  ]);
});

test('what an earlier run renamed but maybe did not sync is synced before the raw file goes', async () => {
  const layout = logDirectory();
  const before = await startSealing(layout);
  const segment = sealRaw(layout, { firstSeq: 7 });
  const raw = readFileSync(segment.rawPath);
  before.pipeline.accept(segment);
  await before.pipeline.whenIdle();
  await before.pipeline.close();
  mkdirSync(dirname(segment.rawPath));
  writeFileSync(segment.rawPath, raw);

  const { files, calls } = watchedDisk(layout);
  const { pipeline } = await startSealing(layout, { files });
  pipeline.accept({ ...segment, reason: 'recovery' });
  await pipeline.whenIdle();
  expect(calls).toEqual([
    'makeDirectory outbox',
    'syncDirectory ',
    'syncDirectory outbox',
    `makeDirectory ${DIRECTORY}`,
    `syncDirectory ${DIRECTORY}`,
    `remove sealing/build-42/${SEGMENT}.log`,
  ]);
});

test('with compression none the raw file itself is kept, beside a manifest that says so', async () => {
  const layout = logDirectory();
  const { pipeline } = await startSealing(layout, { compression: 'none' });
  const segment = sealRaw(layout, { firstSeq: 7 });
  const raw = readFileSync(segment.rawPath);
  pipeline.accept(segment);
  await pipeline.whenIdle();
  expect(filesUnder(layout.sessions)).toEqual([`build-42/${SEGMENT}.json`, `build-42/${SEGMENT}.log`]);
  expect(filesUnder(layout.sealing)).toEqual([]);
  expect(readFileSync(join(layout.sessions, `build-42/${SEGMENT}.log`)).equals(raw)).toBe(true);
  expect(manifestsOf(layout)[0]).toMatchObject({
    compression: 'none',
    members: [],
    bytes: raw.length,
    compressed_bytes: raw.length,
    path: `sessions/build-42/${SEGMENT}.log`,
  });
});

test('each manifest names the segment before it, also across restarts, and gaps are counted', async () => {
  const layout = logDirectory();
  const first = await startSealing(layout);
  for (const firstSeq of [1, 6, 20]) {
    first.pipeline.accept(sealRaw(layout, { firstSeq }));
  }
  await first.pipeline.whenIdle();
  first.pipeline.accept(sealRaw(layout, { firstSeq: 25 }));
  await first.pipeline.whenIdle();
  await first.pipeline.close();
  const second = await startSealing(layout);
  const gappy = sealRaw(layout, { firstSeq: 30 });
  second.pipeline.accept({ ...gappy, summary: { ...gappy.summary, frames: 3 } });
  await second.pipeline.whenIdle();

  const manifests = manifestsOf(layout);
  expect(manifests.map((manifest) => manifest.first_seq)).toEqual([1, 6, 20, 25, 30]);
  manifests.forEach((manifest, index) => {
    expect(manifest.prev_sha256).toBe(manifests[index - 1]?.sha256 ?? null);
  });
  expect(manifests[4]?.gaps).toBe(2);
});

test('sessions with any id get their own chain, and 30 of them finish over two threads', async () => {
  const layout = logDirectory();
  const { pipeline } = await startSealing(layout, { workers: 2 });
  const ids = Array.from({ length: 30 }, (_, index) => `../${'ä/'.repeat(index)}${index}`);
  for (const sessionId of ids) {
    pipeline.accept(sealRaw(layout, { sessionId, lines: 2 }));
    pipeline.accept(sealRaw(layout, { sessionId, lines: 2, firstSeq: 3 }));
  }
  expect(pipeline.queueLength).toBe(60);
  await pipeline.whenIdle();
  const manifests = manifestsOf(layout);
  expect(new Set(manifests.map((manifest) => manifest.session_id))).toEqual(new Set(ids));
  expect(manifests.filter((manifest) => manifest.prev_sha256 === null).length).toBe(30);
  expect(recordsOf(layout).length).toBe(60);
  expect(filesUnder(layout.sealing)).toEqual([]);
});

test('the newest pending segment is known until its manifest is on disk', async () => {
  const layout = logDirectory();
  let renames = 0;
  const known: unknown[] = [];
  const files = interceptedFiles(({ name, paths }) => {
    const target = basename(paths[1] ?? '');
    if (name === 'rename' && target.endsWith('.json')) {
      known.push([
        target.startsWith('rotation') ? 'record' : 'manifest',
        pipeline.newestPending('build-42')?.summary.lastSeq ?? null,
      ]);
      renames += 1;
    }
  });
  const { pipeline } = await startSealing(layout, { files });
  pipeline.accept(sealRaw(layout));
  pipeline.accept(sealRaw(layout, { firstSeq: 6, producers: new Map([['w', 5]]) }));
  expect(pipeline.newestPending('build-42')?.summary.producers).toEqual(new Map([['w', 5]]));
  expect(pipeline.newestPending('another')).toBeNull();
  await pipeline.whenIdle();
  expect(renames).toBe(4);
  expect(known).toEqual([
    ['manifest', 10],
    ['record', 10],
    ['manifest', 10],
    ['record', null],
  ]);
  expect(pipeline.newestPending('build-42')).toBeNull();
});

test('without Redis no records are written', async () => {
  const layout = logDirectory();
  const { pipeline } = await startSealing(layout, { outbox: null });
  pipeline.accept(sealRaw(layout));
  await pipeline.whenIdle();
  expect(manifestsOf(layout).length).toBe(1);
  expect(filesUnder(layout.outbox)).toEqual([]);
});

test('threads start with the first segment and end when unused', async () => {
  const layout = logDirectory();
  let threads = 0;
  process.on('worker', count);
  function count(worker: { once(event: 'exit', run: () => void): unknown }): void {
    threads += 1;
    worker.once('exit', () => (threads -= 1));
  }
  const { pipeline } = await startSealing(layout, { workers: 2 });
  expect(threads).toBe(0);
  pipeline.accept(sealRaw(layout));
  await pipeline.whenIdle();
  expect(threads).toBe(1);
  // 10 s by the hasty clock.
  await until(() => threads === 0);
  pipeline.accept(sealRaw(layout, { firstSeq: 6 }));
  await pipeline.whenIdle();
  process.off('worker', count);
  expect(manifestsOf(layout).length).toBe(2);
});
