/**
 * A completion behind its segment: the process dies instead of its k-th file operation, for every k; the next one takes up what
 * lies under sealing/. The last state must not depend on k, and the event comes behind that of the segment.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { encodeCompletion, pendingCompletionPath } from '../../src/segment/completion-record.js';
import type { Layout } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { Recovery } from '../../src/segment/recovery.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { completionRecord } from './events.js';
import { CrashingFiles } from './faulty-files.js';
import { filesUnder, hastyClock, logDirectory, sealRaw, startSealing, until } from './fixture.js';

const SESSION = 'build-42';
const metrics = new Metrics({ version: 'test' });
const RECORD = completionRecord(SESSION, 5, { status: 'failed', exitCode: 3 });
const EVENTS = [
  `completion_${SESSION}_0000000000000005.json`,
  `rotation_${SESSION}_0000000000000001-0000000000000005.json`,
];

function leaveCompletion(layout: Layout, record = RECORD): void {
  const path = pendingCompletionPath(layout, record);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, encodeCompletion(record));
}

/** One life, which ends when everything is done or at the k-th operation. */
async function live(layout: Layout, k: number): Promise<'done' | 'crashed'> {
  const { sealed, completions } = await new Recovery(nodeFiles, layout, () => undefined).run();
  const disk = new CrashingFiles(k);
  let rig: Awaited<ReturnType<typeof startSealing>>;
  try {
    rig = await startSealing(layout, { files: disk.files, metrics });
  } catch {
    return 'crashed';
  }
  for (const segment of sealed) {
    rig.pipeline.accept(segment);
  }
  for (const record of completions) {
    rig.pipeline.acceptCompletion(record);
  }
  const end = await Promise.race([
    rig.pipeline.whenIdle().then(() => 'done' as const),
    disk.crashed.then(() => 'crashed' as const),
  ]);
  await rig.pipeline.close();
  return end;
}

test('a crash at any file operation changes nothing in the end', async () => {
  let crashes = 0;
  for (let k = 1; ; k++) {
    const layout = logDirectory('memory');
    sealRaw(layout);
    leaveCompletion(layout);
    if ((await live(layout, k)) === 'done') {
      break;
    }
    crashes += 1;
    expect(await live(layout, Number.POSITIVE_INFINITY)).toBe('done');
    expect(filesUnder(layout.sealing)).toEqual([]);
    expect(filesUnder(layout.quarantine)).toEqual([]);
    expect(filesUnder(layout.outbox)).toEqual(EVENTS);
    expect(readFileSync(join(layout.sessions, SESSION, 'completion.json')).equals(encodeCompletion(RECORD))).toBe(true);
    expect(filesUnder(layout.sessions).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  }
  expect(crashes).toBeGreaterThan(40);
});

test('its event stands in the outbox only behind that of the segment, and may go when it is stored', async () => {
  const layout = logDirectory();
  let isFailing = true;
  const files = {
    ...nodeFiles,
    makeDirectory: (path: string) =>
      isFailing && path.startsWith(layout.sessions)
        ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }))
        : nodeFiles.makeDirectory(path),
  };
  const { pipeline, outbox } = await startSealing(layout, { files });
  pipeline.accept(sealRaw(layout));
  leaveCompletion(layout);
  pipeline.acceptCompletion(RECORD);
  await until(() => pipeline.queueLength === 1 && pipeline.pendingCompletions === 1);
  expect(filesUnder(layout.outbox)).toEqual([]);
  expect(pipeline.newestCompletion(SESSION)).toEqual(RECORD);
  isFailing = false;
  await pipeline.whenIdle();
  expect(outbox.ready(9).map(({ fileName }) => fileName)).toEqual(EVENTS.toReversed());
  expect(pipeline.newestCompletion(SESSION)).toBe(null);
});

test('a completion goes on where its segment was given up', async () => {
  const layout = logDirectory();
  const segment = sealRaw(layout);
  writeFileSync(segment.rawPath, 'other bytes');
  const { pipeline } = await startSealing(layout, { clock: hastyClock });
  pipeline.accept(segment);
  leaveCompletion(layout);
  pipeline.acceptCompletion(RECORD);
  await pipeline.whenIdle();
  expect(filesUnder(layout.outbox)).toEqual([`completion_${SESSION}_0000000000000005.json`]);
  expect(filesUnder(layout.sealing)).toEqual([]);
});

test('an earlier completion that comes back after a power cut leaves the later one as it is', async () => {
  const layout = logDirectory();
  const later = completionRecord(SESSION, 9, { status: 'completed' });
  for (const record of [RECORD, later, RECORD]) {
    leaveCompletion(layout, record);
    expect(await live(layout, Number.POSITIVE_INFINITY)).toBe('done');
  }
  const stored = readFileSync(join(layout.sessions, SESSION, 'completion.json'));
  expect(stored.equals(encodeCompletion(later))).toBe(true);
  expect(filesUnder(layout.sealing)).toEqual([]);
});
