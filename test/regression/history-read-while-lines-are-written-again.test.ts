/**
 * A failed sync takes lines out of the file for a moment, to be written again. A history that was being read then ended with the last
 * seq that it had seen at its beginning, without those lines and without a word.
 */
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LiveHub } from '../../src/reading/live-hub.js';
import { SessionLogSource } from '../../src/reading/session-log-source.js';
import { SessionReader } from '../../src/reading/session-reader.js';
import { type Layout, layoutOf } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { collect, seqsIn } from '../reading/live-core.js';
import { storedLine } from '../reading/log-dir-fixture.js';
import { seqs } from '../support/seqs.js';

const LINES = 400;
let layout: Layout;
let path: string;

beforeEach(async () => {
  layout = layoutOf(await mkdtemp(join(tmpdir(), 'logweir-again-')));
  path = join(layout.active, 's.logtmp');
  await mkdir(layout.active);
  await writeFile(path, Buffer.concat(seqs(1, LINES).map((seq) => storedLine('s', seq, '.'.repeat(1_000)))));
});

afterEach(() => rm(layout.root, { recursive: true }));

/** Reads the history; behind its first chunk the file loses its end. */
async function readHistory(settled: () => Promise<void>) {
  const source = new SessionLogSource({
    reader: new SessionReader(nodeFiles, layout),
    hub: new LiveHub(),
    completionOf: () => Promise.resolve(null),
    settled,
  });
  const reading = source.read('s', {});
  const { value: first } = await reading.next();
  await truncate(path, storedLine('s', 1, '.'.repeat(1_000)).length * 9);
  return [...(first ? [first] : []), ...(await collect(reading))];
}

it('a history waits for the lines that were there when it began', async () => {
  const whole = await readFile(path);
  const events = await readHistory(() => writeFile(path, whole));
  expect(seqsIn(events)).toEqual(seqs(1, LINES));
  expect(events.at(-1)).toEqual({ kind: 'end', lastSeq: LINES, completion: null });
});

it('and says so when they are gone', async () => {
  const events = await readHistory(() => Promise.resolve());
  const lastSeq = seqsIn(events).at(-1) ?? 0;
  expect(lastSeq).toBeLessThan(LINES);
  expect(events.slice(-2)).toEqual([
    { kind: 'gap', firstSeq: lastSeq + 1, lastSeq: LINES },
    { kind: 'end', lastSeq: LINES, completion: null },
  ]);
});
