/** The order of a seal (DESIGN §6), call by call: what has to be durable before what. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Files } from '../../src/segment/files.js';
import { layoutOf } from '../../src/segment/layout.js';
import { openSessionRoom, temporaryDirectory } from '../support/session-room.js';
import { interceptedFiles } from './faulty-files.js';
import { hastyClock, startSealing } from './fixture.js';

const SEGMENT = '0000000000000001-0000000000000001_';

/** Calls that change what a power cut leaves, as `call path`, paths relative to LOG_DIR and without the time of sealing. */
function recordingFiles(root: string): { files: Files; calls: string[] } {
  const calls: string[] = [];
  const changing = new Set(['open', 'write', 'datasync', 'makeDirectory', 'rename', 'remove', 'syncDirectory']);
  const files = interceptedFiles(({ name, paths }) => {
    if (changing.has(name)) {
      const shown = paths.map((path) => path.slice(root.length + 1).replace(/(\d{16}-\d{16}_)\d{8}T\d{6}Z/, '$1T'));
      calls.push([name, ...shown].join(' '));
    }
  });
  return { files, calls };
}

function inOrder(calls: readonly string[], expected: readonly string[]): void {
  let at = -1;
  for (const call of expected) {
    const found = calls.indexOf(call, at + 1);
    expect(found, `${call}, after ${calls[at] ?? 'the start'}, in\n${calls.join('\n')}`).toBeGreaterThan(at);
    at = found;
  }
}

test('every step of a seal is durable before the next one relies on it, directories that are new included', async () => {
  await using directory = await temporaryDirectory();
  const root = directory.path;
  const { files, calls } = recordingFiles(root);
  const room = await openSessionRoom(root, { files, maxBytes: 1 });
  calls.length = 0;
  await room.take({ session_id: 's', content: 'first' });
  await room.take({ session_id: 's', content: 'second' });
  await expect.poll(() => room.sealed.length).toBe(1);
  const raw = `sealing/s/${SEGMENT}T.log`;
  inOrder(calls, [
    'open active/s.logtmp',
    'write active/s.logtmp',
    'datasync active/s.logtmp',
    'makeDirectory sealing/s',
    'syncDirectory sealing',
    `rename active/s.logtmp ${raw}`,
  ]);
  const renamed = calls.indexOf(`rename active/s.logtmp ${raw}`);
  // Both, in any order, before the next segment takes the name.
  const next = calls.indexOf('open active/s.logtmp', renamed);
  const between = calls.slice(renamed, next === -1 ? undefined : next);
  expect(between).toContain('syncDirectory active');
  expect(between).toContain('syncDirectory sealing/s');

  calls.length = 0;
  const { pipeline } = await startSealing(layoutOf(root), { files, clock: hastyClock });
  for (const segment of room.sealed) {
    pipeline.accept(segment);
  }
  await pipeline.whenIdle();
  await room.sessions.registry.drain();
  const record = `outbox/rotation_s_${SEGMENT.slice(0, -1)}.json`;
  inOrder(calls, [
    'makeDirectory sessions/s',
    'syncDirectory sessions',
    `rename sessions/s/${SEGMENT}T.log.gz.tmp sessions/s/${SEGMENT}T.log.gz`,
    'syncDirectory sessions/s',
    `open sessions/s/${SEGMENT}T.json.tmp`,
    `datasync sessions/s/${SEGMENT}T.json.tmp`,
    `rename sessions/s/${SEGMENT}T.json.tmp sessions/s/${SEGMENT}T.json`,
    'syncDirectory sessions/s',
    `open ${record}.tmp`,
    `datasync ${record}.tmp`,
    `rename ${record}.tmp ${record}`,
    'syncDirectory outbox',
    `remove ${raw}`,
  ]);
});

test('10,000 files in quarantine are listed once, however many sessions open', async () => {
  await using directory = await temporaryDirectory();
  const root = directory.path;
  const { layout } = await openSessionRoom(root);
  for (let n = 1; n <= 10_000; n++) {
    mkdirSync(join(layout.quarantine, `q${n}_${SEGMENT}20261121T100000Z.log`));
  }
  let lists = 0;
  const files = interceptedFiles(({ name, paths }) => {
    lists += name === 'list' && paths[0] === layout.quarantine ? 1 : 0;
  });
  const room = await openSessionRoom(root, { files, maxOpenFiles: 50 });
  for (let n = 1; n <= 1000; n++) {
    await room.sessions.registry.open(`q${n}`);
  }
  expect(lists).toBe(1);
  await room.take({ session_id: 'q7', content: 'after 1' });
  await room.sessions.registry.drain();
  expect(readFileSync(join(layout.active, 'q7.logtmp'), 'utf8')).toMatch(/^\{"seq":2,/);
  expect(readdirSync(layout.quarantine).length).toBe(10_000);
});
