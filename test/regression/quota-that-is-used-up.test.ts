import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { StorageError } from '../../src/segment/storage-error.js';
import { systemCode } from '../../src/segment/system-code.js';
import { Agent, source } from '../fault/agent.js';
import { Rig } from '../fault/rig.js';

// libuv has no name for EDQUOT, so Node says "Unknown system error -122": nobody knew it for an error of the disk, and a segment that
// met it five times while it was compressed was given up.
test('a quota that is used up is a full disk', () => {
  const fromNode = Object.assign(new Error('Unknown system error -122: Unknown system error -122, write'), {
    errno: -122,
    code: 'Unknown system error -122',
    syscall: 'write',
  });
  expect(systemCode(fromNode)).toBe('EDQUOT');
  expect(StorageError.from(fromNode)).toMatchObject({ code: 'DISK_FULL', errno: 'EDQUOT' });
  expect(systemCode(Object.assign(new Error('bad'), { errno: -5, code: 'Z_BUF_ERROR' }))).toBe(null);
});

test('a segment that meets it again and again while it is compressed is finished in the end', async () => {
  await using rig = new Rig({});
  const plan = Array.from({ length: 8 }, (_, index) => `write/sessions@${index + 1}=EDQUOT`);
  const server = await rig.start({ plan });
  const agent = new Agent([source('s', null, 'batches')]);
  expect((await agent.send(server.grpc, 60)).ok).toBe(true);
  await rig.settled();
  expect(await readdir(join(rig.logDir, 'quarantine'))).toEqual([]);
  expect((await readdir(join(rig.logDir, 'sessions', 's'))).length).toBeGreaterThan(0);
  expect(await (await fetch(`${server.http}/metrics`)).text()).toMatch(
    /logweir_disk_errors_total\{code="EDQUOT"\} [1-9]/,
  );
});
