import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LiveCore } from '../reading/live-core.js';
import { collectGarbage } from '../support/collect-garbage.js';
import { temporaryDirectory } from '../support/session-room.js';

const SESSIONS = 400;
/** Code that is compiled late and the like are not a session's. */
const WARM_ROUNDS = 3;
/** What a session holds, it holds in each of them; what V8 compiles meanwhile comes in some. */
const ROUNDS = 8;
/** Issue 4. */
const BYTES_MAX = 300;

async function heldBytes(): Promise<number> {
  for (let pass = 0; pass < 3; pass++) {
    collectGarbage();
    // What is freed by callbacks is freed then.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function lowerQuartile(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 2] ?? Number.NaN;
}

/** Writes a line to each session, and waits until all have gone idle and are finished. */
async function comeAndGo(core: LiveCore, root: string, prefix: string): Promise<void> {
  await core.take(Array.from({ length: SESSIONS }, (_, index) => ({ session_id: `${prefix}-${index}`, content: 'x' })));
  const underWay = (): number =>
    ['active', 'sealing'].reduce((sum, name) => sum + readdirSync(join(root, name)).length, 0);
  await expect.poll(underWay, { timeout: 120_000, interval: 500 }).toBe(0);
  // The sweep that forgets the last writers.
  await new Promise((resolve) => setTimeout(resolve, 1500));
}

it('a session that has gone idle holds no descriptor and under 300 bytes', { timeout: 600_000 }, async () => {
  await using directory = await temporaryDirectory();
  const core = await LiveCore.open(directory.path, { idleSeconds: 1, compression: 'none', maxOpenFiles: 5000 });
  for (let round = 0; round < WARM_ROUNDS; round++) {
    await comeAndGo(core, directory.path, `warm-${round}`);
  }
  const perSession: number[] = [];
  for (let round = 0, before = await heldBytes(); round < ROUNDS; round++) {
    await comeAndGo(core, directory.path, `counted-${round}`);
    const after = await heldBytes();
    perSession.push((after - before) / SESSIONS);
    before = after;
  }
  expect(readdirSync(join(directory.path, 'sessions'))).toHaveLength(SESSIONS * (WARM_ROUNDS + ROUNDS));
  expect(core.core.sessions.openFiles).toBe(0);
  expect(lowerQuartile(perSession)).toBeLessThan(BYTES_MAX);
  await core.close();
});
