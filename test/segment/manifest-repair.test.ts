import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Files } from '../../src/segment/files.js';
import { FormatTooNew } from '../../src/segment/format-too-new.js';
import { type Layout, segmentName, sessionDirectory } from '../../src/segment/layout.js';
import type { Manifest } from '../../src/segment/manifest.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { Quarantine } from '../../src/segment/quarantine.js';
import { Recovery } from '../../src/segment/recovery.js';
import { SessionHistories } from '../../src/segment/session-history.js';
import { CrashingFiles, diskError, interceptedFiles } from '../sealing/faulty-files.js';
import { filesUnder, logDirectory, manifestsOf, nth, SEALED_AT_MS, startSealing, timeOf } from '../sealing/fixture.js';

const SESSION = 'build-42';
const MARKS = { w1: 60, w2: 65 };

/** Two finished segments, 1 to 5 and 6 to 10; w1 wrote the seqs up to 6, w2 the others, each line's mark ten times its seq. */
async function finishedSession(compression: 'gzip' | 'none' = 'gzip', contentBytes = 10): Promise<Layout> {
  const layout = logDirectory('memory');
  await seal(layout, compression, [1, 6], contentBytes);
  return layout;
}

async function seal(layout: Layout, compression: 'gzip' | 'none', firsts: number[], contentBytes = 10): Promise<void> {
  const directory = join(layout.sealing, SESSION);
  mkdirSync(directory, { recursive: true });
  for (const firstSeq of firsts) {
    const raw = [0, 1, 2, 3, 4].map((index) => line(firstSeq + index, contentBytes)).join('');
    writeFileSync(join(directory, `${nameOf(firstSeq)}.log`), raw);
  }
  const { sealed } = await new Recovery(nodeFiles, layout, () => undefined).run();
  const { pipeline } = await startSealing(layout, { compression });
  for (const segment of sealed) {
    pipeline.accept(segment);
  }
  await pipeline.whenIdle();
  await pipeline.close();
}

function line(seq: number, contentBytes = 10): string {
  const producer = { producer_id: seq <= 6 ? 'w1' : 'w2', producer_seq: seq <= 6 ? seq * 10 : 55 + seq };
  return `${JSON.stringify({ seq, time: timeOf(seq), session_id: SESSION, content: 'x'.repeat(contentBytes), ...producer })}\n`;
}

function nameOf(firstSeq: number): string {
  return segmentName({ firstSeq, lastSeq: firstSeq + 4, sealedAtMs: SEALED_AT_MS });
}

function pathOf(layout: Layout, firstSeq: number, suffix = '.json'): string {
  return join(sessionDirectory(layout, SESSION), nameOf(firstSeq) + suffix);
}

interface Opened {
  readonly lastSeq: number;
  readonly marks: Record<string, number>;
  readonly reports: string[];
}

async function open(layout: Layout, files: Files = nodeFiles): Promise<Opened> {
  const reports: string[] = [];
  const quarantine = new Quarantine(files, layout);
  const histories = new SessionHistories({ files, layout, quarantine, report: ({ action }) => reports.push(action) });
  const { lastSeq, producers } = await histories.stored(SESSION, null);
  return { lastSeq, marks: Object.fromEntries(producers), reports };
}

/** What is kept twice gets a number: thousands of times would take long. */
function emptyQuarantine(layout: Layout): void {
  rmSync(layout.quarantine, { recursive: true });
  mkdirSync(layout.quarantine);
}

function everyByte(layout: Layout): Map<string, string> {
  return new Map(filesUnder(layout.root).map((name) => [name, readFileSync(join(layout.root, name), 'latin1')]));
}

const DAMAGES: ReadonlyArray<readonly [string, (manifest: Buffer, layout: Layout) => Buffer | null]> = [
  ['cut off', (manifest) => manifest.subarray(0, manifest.length >> 1)],
  ['empty', () => Buffer.alloc(0)],
  ['NULs', (manifest) => Buffer.alloc(manifest.length)],
  ['no JSON', () => Buffer.from('{"id":')],
  ['absent', () => null],
  ['of another session', (manifest) => Buffer.from(String(manifest).replaceAll(SESSION, 'build-43'))],
  ['of another segment', (_, layout) => readFileSync(pathOf(layout, 1))],
  ['of version 0', (manifest) => Buffer.from(String(manifest).replace('"format_version":1', '"format_version":0'))],
];

for (const compression of ['gzip', 'none'] as const) {
  test.each(DAMAGES)(
    `a newest manifest that is %s is made again from its segment (${compression})`,
    async (_, damage) => {
      const layout = await finishedSession(compression);
      const path = pathOf(layout, 6);
      const whole = readFileSync(path);
      const damaged = damage(whole, layout);
      if (damaged === null) {
        rmSync(path);
      } else {
        writeFileSync(path, damaged);
      }
      const { reports, ...history } = await open(layout);
      expect(history).toEqual({ lastSeq: 10, marks: MARKS });
      expect(reports).toEqual(damaged === null ? ['rewritten'] : ['quarantined', 'rewritten']);
      expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ ...JSON.parse(String(whole)), reason: 'recovery' });
      const kept = filesUnder(layout.quarantine).map((name) => readFileSync(join(layout.quarantine, name), 'latin1'));
      expect(kept).toEqual(damaged === null ? [] : [damaged.toString('latin1')]);

      const after = everyByte(layout);
      expect(await open(layout)).toEqual({ lastSeq: 10, marks: MARKS, reports: [] });
      expect(everyByte(layout)).toEqual(after);
    },
  );
}

test('members are found again: each can be entered where the new manifest says', async () => {
  const layout = await finishedSession('gzip', 700_000);
  const path = pathOf(layout, 6);
  const whole: Manifest = JSON.parse(readFileSync(path, 'utf8'));
  expect(whole.members.length).toBeGreaterThan(3);
  rmSync(path);
  await open(layout);
  const rebuilt: Manifest = JSON.parse(readFileSync(path, 'utf8'));
  expect(rebuilt).toEqual({ ...whole, reason: 'recovery' });
  const stored = readFileSync(join(layout.root, rebuilt.path));
  const lines = rebuilt.members.map(({ compressed_offset }) => String(gunzipSync(stored.subarray(compressed_offset))));
  expect(lines.map((text, index) => text.startsWith(`{"seq":${nth(rebuilt.members, index).first_seq},`))).toEqual(
    rebuilt.members.map(() => true),
  );
});

test('every bit of the newest manifest that flips leaves the session open, above its last seq', async () => {
  const layout = await finishedSession();
  const path = pathOf(layout, 6);
  const whole = readFileSync(path);
  const unnoticed = new Set<string>();
  let refused = 0;
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const flipped = Buffer.from(whole);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    writeFileSync(path, flipped);
    emptyQuarantine(layout);
    try {
      const { lastSeq, reports } = await open(layout);
      expect(lastSeq).toBe(10);
      if (reports.length === 0) {
        unnoticed.add(fieldAt(whole, bit >> 3));
      }
    } catch (error) {
      // A 1 that became a 3, a 5 or a 9.
      expect(error).toBeInstanceOf(FormatTooNew);
      refused += 1;
    }
  }
  expect(refused).toBe(3);
  // What the name does not repeat, docs/decisions/0006.
  const notInTheName = ['bytes', 'compressed_bytes', 'first_time', 'last_time', 'members', 'prev_sha256', 'producers'];
  expect([...unnoticed].toSorted()).toEqual([...notInTheName, 'sha256']);
}, 120_000);

/** The top-level key whose value stands at an offset. */
function fieldAt(manifest: Buffer, offset: number): string {
  const record: object = JSON.parse(String(manifest));
  let at = 1;
  for (const [key, value] of Object.entries(record)) {
    at += JSON.stringify(key).length + 1 + JSON.stringify(value).length + 1;
    if (offset < at) {
      return key;
    }
  }
  return 'the end';
}

test('a newest manifest of a version to come is refused in a sentence, and no byte changes', async () => {
  const layout = await finishedSession();
  const path = pathOf(layout, 6);
  writeFileSync(path, readFileSync(path, 'utf8').replace('"format_version":1', '"format_version":2,"new":true'));
  const before = everyByte(layout);
  await expect(open(layout)).rejects.toThrow(
    "the manifest's format_version is 2, this logweir reads 1: run the version that wrote it",
  );
  expect(everyByte(layout)).toEqual(before);
});

test('where the segment is damaged, too, at any byte, both are in quarantine and the session goes on above them', async () => {
  const layout = await finishedSession();
  const [manifestPath, segmentPath] = [pathOf(layout, 6), pathOf(layout, 6, '.log.gz')];
  const segment = readFileSync(segmentPath);
  let harmless = 0;
  for (let at = 0; at < segment.length; at++) {
    const damaged = Buffer.from(segment);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
    writeFileSync(manifestPath, 'damaged');
    writeFileSync(segmentPath, damaged);
    const { lastSeq, marks, reports } = await open(layout);
    expect(lastSeq).toBe(10);
    if (reports.at(-1) === 'rewritten') {
      // Bytes of the header that say nothing of the content: time, level, system.
      expect(at).toBeGreaterThanOrEqual(4);
      expect(at).toBeLessThan(10);
      harmless += 1;
    } else {
      expect([marks, reports]).toEqual([{ w1: 50 }, ['quarantined', 'quarantined']]);
      expect(readdirSync(sessionDirectory(layout, SESSION)).length).toBe(2);
      const kept = filesUnder(layout.quarantine).map((name) => readFileSync(join(layout.quarantine, name), 'latin1'));
      expect(kept.toSorted()).toEqual(['damaged', damaged.toString('latin1')].toSorted());
    }
    emptyQuarantine(layout);
  }
  expect(harmless).toBe(6);
});

test.each([0, 1, 2, 50, -9, -8, -1])('a segment that ends at byte %i is damaged', async (end) => {
  const layout = await finishedSession();
  rmSync(pathOf(layout, 6));
  const path = pathOf(layout, 6, '.log.gz');
  writeFileSync(path, readFileSync(path).subarray(0, end));
  expect(await open(layout)).toEqual({ lastSeq: 10, marks: { w1: 50 }, reports: ['quarantined'] });
});

test('a damaged manifest whose segment is gone: the session goes on above its last seq', async () => {
  const layout = await finishedSession();
  writeFileSync(pathOf(layout, 6), 'damaged');
  rmSync(pathOf(layout, 6, '.log.gz'));
  expect(await open(layout)).toEqual({ lastSeq: 10, marks: { w1: 50 }, reports: ['quarantined'] });
});

test('all manifests damaged: each is made again, and the chain is the one that was', async () => {
  const layout = await finishedSession();
  const before = manifestsOf(layout);
  writeFileSync(pathOf(layout, 1), '');
  writeFileSync(pathOf(layout, 6), '');
  expect(await open(layout)).toMatchObject({ lastSeq: 10, marks: MARKS });
  expect(manifestsOf(layout)).toEqual(before.map((manifest) => ({ ...manifest, reason: 'recovery' })));
});

test('a finished file without a manifest that overlaps the segment before it goes to quarantine', async () => {
  const layout = await finishedSession();
  const orphan = segmentName({ firstSeq: 6, lastSeq: 12, sealedAtMs: SEALED_AT_MS });
  writeFileSync(
    join(sessionDirectory(layout, SESSION), `${orphan}.log`),
    [6, 7, 8, 9, 10, 11, 12].map((seq) => line(seq)).join(''),
  );
  expect(await open(layout)).toEqual({ lastSeq: 12, marks: MARKS, reports: ['quarantined'] });
  expect(filesUnder(layout.quarantine)).toEqual([`${SESSION}_${orphan}.log`]);
});

test('a manifest on a sector that cannot be read is made again; other errors of the disk pass on', async () => {
  const layout = await finishedSession();
  const failing = (code: string): Files =>
    interceptedFiles(({ name, paths }) => {
      if (name === 'readFile' && paths[0] === pathOf(layout, 6)) {
        throw diskError(code);
      }
    });
  await expect(open(layout, failing('EMFILE'))).rejects.toThrow('EMFILE');
  expect(await open(layout, failing('EIO'))).toMatchObject({
    lastSeq: 10,
    marks: MARKS,
    reports: ['quarantined', 'rewritten'],
  });
});

test('a crash at any file operation of the repair changes nothing in the end', async () => {
  for (const segmentIsSound of [true, false]) {
    let crashes = 0;
    const template = await finishedSession();
    for (let k = 1; ; k++) {
      const layout = logDirectory('memory');
      cpSync(template.root, layout.root, { recursive: true });
      writeFileSync(pathOf(layout, 6), 'damaged');
      if (!segmentIsSound) {
        writeFileSync(pathOf(layout, 6, '.log.gz'), 'damaged, too');
      }
      const disk = new CrashingFiles(k);
      const crashed = await open(layout, disk.files).then(
        () => false,
        () => true,
      );
      const marks = segmentIsSound ? MARKS : { w1: 50 };
      expect(await open(layout)).toMatchObject({ lastSeq: 10, marks });
      const kept = filesUnder(layout.quarantine).map((name) => readFileSync(join(layout.quarantine, name), 'utf8'));
      expect(kept.toSorted()).toEqual(segmentIsSound ? ['damaged'] : ['damaged', 'damaged, too']);
      expect(filesUnder(layout.sessions).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      if (!crashed) {
        break;
      }
      crashes += 1;
    }
    expect(crashes).toBeGreaterThan(8);
  }
});
