import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { layoutOf, sealingPath } from '../../src/segment/layout.js';
import type { Manifest } from '../../src/segment/manifest.js';
import { writeManifest } from '../../src/segment/manifest-store.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';

function finished(first_seq: number, last_seq: number, producers: Record<string, number>): Manifest {
  const name = `${String(first_seq).padStart(16, '0')}-${String(last_seq).padStart(16, '0')}_20261121T100000Z`;
  return {
    id: `s/${first_seq}-${last_seq}`,
    session_id: 's',
    first_seq,
    last_seq,
    frames: last_seq - first_seq + 1,
    gaps: 0,
    first_time: 't',
    last_time: 't',
    bytes: 0,
    sha256: '0'.repeat(64),
    prev_sha256: null,
    compression: 'gzip',
    compressed_bytes: 0,
    members: [],
    path: `sessions/s/${name}.log.gz`,
    sealed_at: '2026-11-21T10:00:00Z',
    reason: 'size',
    producers,
    format_version: 1,
  };
}

// Raw files are removed without a sync. When a power cut brought an early one back and not a later one, the session went on
// from the early one: with its last seq and its producers' marks. Found by the simulation.
test('a session goes on from its newest segment, also when the raw file of an earlier one came back', async () => {
  await using directory = await temporaryDirectory();
  const layout = layoutOf(directory.path);
  const sealedAtMs = Date.UTC(2026, 10, 21, 10);
  for (const path of [join(layout.sessions, 's'), join(layout.sealing, 's')]) {
    await mkdir(path, { recursive: true });
  }
  for (const manifest of [finished(1, 2, { p: 2 }), finished(3, 4, { p: 4 })]) {
    await writeManifest(nodeFiles, join(layout.root, manifest.path.replace('.log.gz', '.json')), manifest);
  }
  const lines = [1, 2].map((seq) =>
    JSON.stringify({ seq, time: 't', session_id: 's', producer_id: 'p', producer_seq: seq }),
  );
  await writeFile(sealingPath(layout, 's', { firstSeq: 1, lastSeq: 2, sealedAtMs }), `${lines.join('\n')}\n`);

  const room = await openSessionRoom(directory.path);
  await room.take({ session_id: 's', producer_id: 'p', producer_seq: 4, content: 'a retry' });
  await room.take({ session_id: 's', producer_id: 'p', producer_seq: 5, content: 'a new one' });
  expect(room.counts).toMatchObject({ framesDuplicate: 1 });
  expect(room.sessions.registry.get('s')?.lastSeq).toBe(5);
  await room.sessions.registry.drain();
});
