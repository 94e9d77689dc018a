/**
 * The process dies instead of its k-th file operation, for every k; the next one takes up what lies under sealing/.
 * The last state must not depend on k.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Layout } from '../../src/segment/layout.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { CrashingFiles } from './faulty-files.js';
import {
  filesUnder,
  line,
  logDirectory,
  manifestsOf,
  nth,
  recordsOf,
  recoverRaw,
  sealRaw,
  startSealing,
} from './fixture.js';

const SESSION = 'build-42';
/** One for hundreds of lives: each has timers of its own. */
const metrics = new Metrics({ version: 'test' });

/** One life: takes up what is there, and ends when everything is done or at the k-th operation. */
async function live(
  layout: Layout,
  compression: 'gzip' | 'none',
  k: number,
  isFirst: boolean,
): Promise<'done' | 'crashed'> {
  const segments = isFirst ? [sealRaw(layout), sealRaw(layout, { firstSeq: 6 })] : recoverRaw(layout, SESSION);
  const disk = new CrashingFiles(k);
  let rig: Awaited<ReturnType<typeof startSealing>>;
  try {
    rig = await startSealing(layout, { files: disk.files, compression, metrics });
  } catch {
    return 'crashed';
  }
  for (const segment of segments) {
    rig.pipeline.accept(segment);
  }
  const end = await Promise.race([
    rig.pipeline.whenIdle().then(() => 'done' as const),
    disk.crashed.then(() => 'crashed' as const),
  ]);
  await rig.pipeline.close();
  return end;
}

function expectFinished(layout: Layout, compression: 'gzip' | 'none'): void {
  const names = ['0000000000000001-0000000000000005', '0000000000000006-0000000000000010'];
  const suffix = compression === 'gzip' ? '.log.gz' : '.log';
  const stored = names.flatMap((name) => ['.json', suffix].map((end) => `${SESSION}/${name}_20261121T100000Z${end}`));
  expect(filesUnder(layout.sessions)).toEqual(stored);
  expect(filesUnder(layout.sealing)).toEqual([]);
  expect(filesUnder(layout.quarantine)).toEqual([]);
  expect(filesUnder(layout.outbox)).toEqual(names.map((name) => `rotation_${SESSION}_${name}.json`));

  const manifests = manifestsOf(layout);
  const [first, second] = [nth(manifests, 0), nth(manifests, 1)];
  expect([first.prev_sha256, second.prev_sha256]).toEqual([null, first.sha256]);
  for (const manifest of [first, second]) {
    const bytes = readFileSync(join(layout.root, manifest.path));
    const lines = [0, 1, 2, 3, 4].map((index) => line(SESSION, manifest.first_seq + index));
    expect(String(compression === 'gzip' ? gunzipSync(bytes) : bytes)).toBe(lines.join(''));
    expect(bytes.length).toBe(manifest.compressed_bytes);
  }
  expect(recordsOf(layout).map((record) => record.content)).toEqual(
    [first, second].map((manifest) => ({ ...manifest, event_id: `rotation:${manifest.id}` })),
  );
}

function snapshot(directory: string, suffix: string): Array<[string, string]> {
  const names = filesUnder(directory).filter((name) => name.endsWith(suffix));
  return names.map((name) => [name, readFileSync(join(directory, name), 'utf8')]);
}

test.each(['gzip', 'none'] as const)(
  '%s: a crash at any file operation changes nothing in the end',
  async (compression) => {
    let crashes = 0;
    for (let k = 1; ; k++) {
      const layout = logDirectory('memory');
      const end = await live(layout, compression, k, true);
      if (end === 'done') {
        break;
      }
      crashes += 1;
      const recorded = [...snapshot(layout.sessions, '.json'), ...snapshot(layout.outbox, '.json')];
      expect(await live(layout, compression, Number.POSITIVE_INFINITY, false)).toBe('done');
      expectFinished(layout, compression);
      // What was on record before the crash still says the same.
      const now = new Map([...snapshot(layout.sessions, '.json'), ...snapshot(layout.outbox, '.json')]);
      for (const [name, content] of recorded) {
        expect(now.get(name)).toBe(content);
      }
    }
    expect(crashes).toBeGreaterThan(40);
  },
);

test.each(['gzip', 'none'] as const)(
  '%s: a crash of the recovery from a crash changes nothing either',
  async (compression) => {
    for (let k = 5; k <= 61; k += 8) {
      const layout = logDirectory('memory');
      let end = await live(layout, compression, k, true);
      // Dies again and again, a little later in each life.
      for (let later = (k % 7) + 3; end === 'crashed'; later += 9) {
        end = await live(layout, compression, later, false);
      }
      expectFinished(layout, compression);
    }
  },
);

test('a manifest that does not fit its segment goes to quarantine, and the segment is stored anew', async () => {
  const layout = logDirectory();
  const { pipeline, logger } = await startSealing(layout);
  const segment = sealRaw(layout);
  const name = '0000000000000001-0000000000000005_20261121T100000Z';
  mkdirSync(join(layout.sessions, SESSION));
  writeFileSync(join(layout.sessions, SESSION, `${name}.json`), '{"id":');
  pipeline.accept(segment);
  await pipeline.whenIdle();
  expect(manifestsOf(layout).map((manifest) => manifest.id)).toEqual(['build-42/1-5']);
  expect(filesUnder(layout.quarantine)).toEqual([`build-42_${name}.json`]);
  expect(logger.lines.filter((logged) => logged.level === 'error').length).toBe(1);
});

test('a raw file is not removed for a manifest whose segment is gone', async () => {
  const layout = logDirectory();
  const before = await startSealing(layout);
  const segment = sealRaw(layout);
  const raw = readFileSync(segment.rawPath);
  before.pipeline.accept(segment);
  await before.pipeline.whenIdle();
  const manifest = nth(manifestsOf(layout), 0);
  writeFileSync(join(layout.root, manifest.path), '');
  mkdirSync(join(layout.sealing, SESSION));
  writeFileSync(segment.rawPath, raw);

  const after = await startSealing(layout);
  after.pipeline.accept(segment);
  await after.pipeline.whenIdle();
  expect(gunzipSync(readFileSync(join(layout.root, manifest.path))).equals(raw)).toBe(true);
});

test('a segment whose compression was changed by a restart leaves one file', async () => {
  const layout = logDirectory();
  sealRaw(layout);
  const name = '0000000000000001-0000000000000005_20261121T100000Z';
  mkdirSync(join(layout.sessions, SESSION));
  for (const suffix of ['.log.gz', '.log.gz.tmp']) {
    writeFileSync(join(layout.sessions, SESSION, name + suffix), 'of a life that ended before the manifest');
  }
  expect(await live(layout, 'none', Number.POSITIVE_INFINITY, false)).toBe('done');
  expect(filesUnder(layout.sessions)).toEqual([`${SESSION}/${name}.json`, `${SESSION}/${name}.log`]);
});
