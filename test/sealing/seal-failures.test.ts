import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { diskError, interceptedFiles } from './faulty-files.js';
import { filesUnder, logDirectory, manifestsOf, nth, recordsOf, sealRaw, startSealing, until } from './fixture.js';

/** Sees each worker thread of this process as it starts. */
function onWorker(run: (worker: Worker) => void): void {
  process.on('worker', run);
  onTestFinished(() => void process.off('worker', run));
}

test('a thread that is terminated in the middle costs a retry, nothing else', async () => {
  const layout = logDirectory();
  const { pipeline, metrics, logger } = await startSealing(layout);
  const segment = sealRaw(layout, { lines: 40_000, content: (seq) => `${Math.sin(seq)}`.repeat(20) });
  const raw = readFileSync(segment.rawPath);
  let kills = 0;
  onWorker((worker) => {
    if (kills < 3) {
      kills += 1;
      const half = setInterval(() => {
        if (filesUnder(layout.sessions).some((name) => name.endsWith('.gz.tmp'))) {
          clearInterval(half);
          void worker.terminate();
        }
      }, 1);
    }
  });
  pipeline.accept(segment);
  await pipeline.whenIdle();

  expect(kills).toBe(3);
  expect(logger.lines.filter((logged) => logged.level === 'warn').length).toBe(3);
  expect(await metrics.registry.getSingleMetricAsString('logweir_compression_failures_total')).toMatch(/ 3$/m);
  const manifest = nth(manifestsOf(layout), 0);
  expect(gunzipSync(readFileSync(join(layout.root, manifest.path))).equals(raw)).toBe(true);
  expect(filesUnder(layout.sessions).length).toBe(2);
  expect(filesUnder(layout.sealing)).toEqual([]);
});

test('a thread that throws is not used again', async () => {
  const layout = logDirectory();
  const { pipeline } = await startSealing(layout);
  const exits: Array<Promise<unknown>> = [];
  onWorker((worker) => {
    exits.push(new Promise((resolve) => worker.once('exit', resolve)));
    if (exits.length === 1) {
      // Comes after the first request, and is none: the thread's handler throws.
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a rule for browser windows
      worker.postMessage(null);
    }
  });
  pipeline.accept(sealRaw(layout));
  await pipeline.whenIdle();
  await exits[0];
  pipeline.accept(sealRaw(layout, { firstSeq: 6 }));
  await pipeline.whenIdle();
  expect(exits.length).toBe(2);
  expect(manifestsOf(layout).length).toBe(2);
});

test('a raw file that is not what was sealed goes to quarantine after five tries; the session goes on', async () => {
  const layout = logDirectory();
  const { pipeline, metrics, logger, outbox } = await startSealing(layout);
  const segments = [1, 6, 11].map((firstSeq) => sealRaw(layout, { firstSeq }));
  const damaged = nth(segments, 1);
  const bytes = readFileSync(damaged.rawPath);
  bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
  writeFileSync(damaged.rawPath, bytes);
  for (const segment of segments) {
    pipeline.accept(segment);
  }
  await pipeline.whenIdle();

  const manifests = manifestsOf(layout);
  const [first, third] = [nth(manifests, 0), nth(manifests, 1)];
  expect([first.first_seq, third.first_seq]).toEqual([1, 11]);
  expect(third.prev_sha256).toBe(first.sha256);
  const kept = 'build-42_0000000000000006-0000000000000010_20261121T100000Z.log';
  expect(filesUnder(layout.quarantine)).toEqual([kept]);
  expect(readFileSync(join(layout.quarantine, kept)).equals(bytes)).toBe(true);
  expect(recordsOf(layout).map((record) => record.content.event_id)).toEqual([
    'rotation:build-42/1-5',
    'rotation:build-42/11-15',
  ]);
  expect(outbox.ready(10).map((name) => name.lastSeq)).toEqual([5, 15]);
  expect(filesUnder(layout.sealing)).toEqual([]);
  const errors = logger.lines.filter((logged) => logged.level === 'error');
  expect(errors.map((logged) => logged.fields)).toMatchObject([{ segment: 'build-42/6-10', quarantine: kept }]);
  expect(String(errors[0]?.fields['err'])).toContain('the raw file holds');
  expect(await metrics.registry.getSingleMetricAsString('logweir_compression_failures_total')).toMatch(/ 5$/m);
  expect(await metrics.registry.getSingleMetricAsString('logweir_quarantined_bytes_total')).toMatch(
    new RegExp(` ${bytes.length}$`, 'm'),
  );
});

test('a raw file that vanished is reported, and the session goes on', async () => {
  const layout = logDirectory();
  const { pipeline, logger } = await startSealing(layout);
  const segment = sealRaw(layout);
  pipeline.accept({ ...segment, rawPath: segment.rawPath.replace('0000000000000001-', '0000000000000000-') });
  pipeline.accept(sealRaw(layout, { firstSeq: 6 }));
  await pipeline.whenIdle();
  expect(manifestsOf(layout).map((manifest) => manifest.first_seq)).toEqual([6]);
  expect(String(logger.lines.find((logged) => logged.level === 'error')?.fields['err'])).toContain(
    'the raw file is gone',
  );
});

test.each(['ENOSPC', 'EIO', 'EMFILE'])('%s at any step is tried again until it passes, and counted', async (code) => {
  const layout = logDirectory();
  let operations = 0;
  // Every third operation fails.
  const files = interceptedFiles(() => {
    operations += 1;
    if (opened && operations % 3 === 0) {
      throw diskError(code);
    }
  });
  let opened = false;
  const { pipeline, metrics } = await startSealing(layout, { files });
  opened = true;
  // With every third failing, no step of three operations ever passes: let up after a while.
  setTimeout(() => (opened = false), 300).unref();
  pipeline.accept(sealRaw(layout));
  pipeline.accept(sealRaw(layout, { firstSeq: 6 }));
  await pipeline.whenIdle();
  expect(manifestsOf(layout).map((manifest) => manifest.id)).toEqual(['build-42/1-5', 'build-42/6-10']);
  expect(recordsOf(layout).length).toBe(2);
  expect(filesUnder(layout.sealing)).toEqual([]);
  expect(await metrics.registry.getSingleMetricAsString('logweir_disk_errors_total')).toMatch(
    new RegExp(`code="${code}"} [1-9]`),
  );
});

test('one session that cannot be stored does not hold up another', async () => {
  const layout = logDirectory();
  const files = interceptedFiles(({ name, paths }) => {
    if (name === 'makeDirectory' && paths[0]?.endsWith('stuck')) {
      throw diskError('EIO');
    }
  });
  const { pipeline } = await startSealing(layout, { files });
  pipeline.accept(sealRaw(layout, { sessionId: 'stuck' }));
  pipeline.accept(sealRaw(layout, { sessionId: 'free' }));
  await until(() => recordsOf(layout).length === 1 && pipeline.queueLength === 1);
  expect(pipeline.newestPending('stuck')?.summary.lastSeq).toBe(5);
});

test('close() ends in the middle of a segment, frees who waits, and leaves the raw file', async () => {
  const layout = logDirectory();
  const { pipeline } = await startSealing(layout);
  const segment = sealRaw(layout, { lines: 40_000, content: (seq) => `${Math.sin(seq)}`.repeat(20) });
  pipeline.accept(segment);
  const idle = pipeline.whenIdle();
  await until(() => filesUnder(layout.sessions).length > 0);
  await pipeline.close();
  await idle;
  pipeline.accept(sealRaw(layout, { firstSeq: 50_000 }));
  expect(manifestsOf(layout)).toEqual([]);
  expect(filesUnder(layout.sealing).length).toBe(2);
});
