import { copyFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { logDirectory, manifestsOf, sealRaw, startSealing } from '../sealing/fixture.js';

// Raw files are removed without a sync. A power cut that brought back that of the first segment, and not that of the second,
// made the third name the first as the one before it. Found by the simulation.
test('a raw file that a power cut brought back does not break the chain of manifests', async () => {
  const layout = logDirectory();
  const [first, second] = [sealRaw(layout), sealRaw(layout, { firstSeq: 6 })];
  copyFileSync(first.rawPath, `${layout.root}/first`);
  const before = await startSealing(layout);
  before.pipeline.accept(first);
  before.pipeline.accept(second);
  await before.pipeline.whenIdle();
  await before.pipeline.close();

  const third = sealRaw(layout, { firstSeq: 11 });
  copyFileSync(`${layout.root}/first`, first.rawPath);
  const after = await startSealing(layout);
  after.pipeline.accept({ ...first, reason: 'recovery' });
  after.pipeline.accept(third);
  await after.pipeline.whenIdle();

  const manifests = manifestsOf(layout);
  expect(manifests.map(({ first_seq }) => first_seq)).toEqual([1, 6, 11]);
  expect(manifests.map(({ prev_sha256 }) => prev_sha256)).toEqual([null, manifests[0]?.sha256, manifests[1]?.sha256]);
});
