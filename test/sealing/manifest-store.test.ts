import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MANIFEST_FORMAT_VERSION, type Manifest } from '../../src/segment/manifest.js';
import { encodeManifest, parseManifest, writeManifest } from '../../src/segment/manifest-store.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { filesUnder, logDirectory } from './fixture.js';

const MANIFEST: Manifest = {
  id: 'build-42/1-3',
  session_id: 'build-42',
  first_seq: 1,
  last_seq: 3,
  frames: 3,
  gaps: 0,
  first_time: '2026-11-21T10:00:00Z',
  last_time: '2026-11-21T10:00:02Z',
  bytes: 300,
  sha256: 'a'.repeat(64),
  prev_sha256: null,
  compression: 'gzip',
  compressed_bytes: 100,
  members: [{ first_seq: 1, raw_offset: 0, compressed_offset: 0 }],
  path: 'sessions/build-42/0000000000000001-0000000000000003_20261121T100000Z.log.gz',
  sealed_at: '2026-11-21T10:00:00Z',
  reason: 'size',
  producers: { w3: 9 },
  format_version: MANIFEST_FORMAT_VERSION,
};

test('a manifest is one line of JSON without spaces, keys in the order of the interface, and comes back equal', () => {
  const { id, session_id, ...rest } = MANIFEST;
  const bytes = encodeManifest({ ...rest, session_id, id });
  expect(bytes.toString()).toBe(`${JSON.stringify(MANIFEST)}\n`);
  expect(parseManifest(bytes)).toEqual(MANIFEST);
});

test('any producer id survives', () => {
  const producers = Object.fromEntries([
    ['__proto__', 7],
    ['constructor', 2 ** 53 - 1],
    ['toString', 1],
    ['a "quoted"\n\u2028 ü', 0],
  ]);
  const parsed = parseManifest(encodeManifest({ ...MANIFEST, producers }));
  expect(Object.entries(parsed.producers)).toEqual(Object.entries(producers));
});

test.each<[string, (manifest: Record<string, unknown>) => void, string]>([
  ['a missing field', (m) => delete m['sha256'], "the manifest's sha256 is missing"],
  ['a seq of 0', (m) => (m['first_seq'] = 0), "the manifest's first_seq is not valid: 0"],
  ['a fraction', (m) => (m['bytes'] = 1.5), "the manifest's bytes is not valid: 1.5"],
  ['another compression', (m) => (m['compression'] = 'zstd'), 'compression is not valid: "zstd"'],
  ['a broken member', (m) => (m['members'] = [{ first_seq: 1 }]), "the manifest's members is not valid"],
  ['producers as an array', (m) => (m['producers'] = []), "the manifest's producers is not valid"],
  ['a version to come', (m) => (m['format_version'] = 2), 'format_version is 2, this logweir reads 1'],
])('%s is refused, by its name', (_, damage, message) => {
  const manifest: Record<string, unknown> = { ...MANIFEST };
  damage(manifest);
  expect(() => parseManifest(Buffer.from(JSON.stringify(manifest)))).toThrow(message);
});

test('what is not JSON, or no object, is refused', () => {
  expect(() => parseManifest(encodeManifest(MANIFEST).subarray(0, 50))).toThrow('the manifest is not JSON');
  expect(() => parseManifest(Buffer.from('[]'))).toThrow('the manifest is not a JSON object');
});

test('a temporary file that a crash left does not stop the next write', async () => {
  const { root } = logDirectory();
  const path = join(root, 'manifest.json');
  writeFileSync(`${path}.tmp`, 'half');
  await writeManifest(nodeFiles, path, MANIFEST);
  expect(filesUnder(root)).toEqual(['manifest.json']);
  expect(parseManifest(readFileSync(path))).toEqual(MANIFEST);
});
