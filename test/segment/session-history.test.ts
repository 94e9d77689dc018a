import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { layoutOf, segmentName, sessionName } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { Quarantine } from '../../src/segment/quarantine.js';
import { SessionHistories } from '../../src/segment/session-history.js';
import { temporaryDirectory } from '../support/session-room.js';

test.each(['s', 'a/b', 'x'.repeat(900)])(
  'numbers of a segment that ended in quarantine are used up (session %s)',
  async (session) => {
    await using directory = await temporaryDirectory();
    const layout = layoutOf(directory.path);
    const sealing = join(layout.sealing, sessionName(session));
    await mkdir(sealing, { recursive: true });
    await mkdir(layout.quarantine);
    const raw = join(sealing, `${segmentName({ firstSeq: 3, lastSeq: 9, sealedAtMs: 0 })}.log`);
    await writeFile(raw, 'damaged');
    const quarantine = new Quarantine(nodeFiles, layout);
    const histories = new SessionHistories({ files: nodeFiles, layout, quarantine, report: () => undefined });
    expect(await histories.stored(session, null)).toMatchObject({ lastSeq: 0 });
    await quarantine.keepFile(raw);
    expect(await histories.stored(session, null)).toMatchObject({ lastSeq: 9 });
    expect(await histories.stored(`${session}2`, null)).toMatchObject({ lastSeq: 0 });
  },
);
