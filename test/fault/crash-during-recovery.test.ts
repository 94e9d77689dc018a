import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../support/redis.js';
import { Agent, lineOf, type Source, source } from './agent.js';
import { amount, measured, soak } from './amounts.js';
import { type Call, changes, readCalls } from './call-log.js';
import { withFaults } from './preload.js';
import { randomOf } from './random.js';
import { eachOfTwoAtOnce, Rig } from './rig.js';

const SEED = Number(process.env['LOGWEIR_SEED'] ?? 20261121);
const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

/** What the files of session `numbered` hold before recovery. Frames up to `valid` are whole and in their place. */
interface Dirt {
  readonly active: string | Buffer;
  readonly sealing: string;
  /** The last seq that the sealed segment's name says; 5 unless given. */
  readonly named?: number;
  readonly quarantine?: Readonly<Record<string, string>>;
  readonly valid: number;
  /** A disk that forgot what was synced: no agent can make that good. */
  readonly forgot?: true;
}

const numbered = (): Source => ({ ...source('numbered', null, 'batches'), sent: 12 });
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `${lineOf(numbered(), from + index, from + index)}\n`).join('');

const DIRT: Readonly<Record<string, Dirt>> = {
  'a torn line': { active: lines(6, 10) + lines(11, 11).slice(0, 70), sealing: lines(1, 5), valid: 10 },
  'a tail of NULs': { active: lines(6, 10) + '\0'.repeat(5000), sealing: lines(1, 5), valid: 10 },
  'damage in the middle': {
    active: `${lines(6, 7)}\u0001\u0002${lines(8, 10)}`,
    sealing: lines(1, 5),
    valid: 7,
  },
  'a quarantine half done': {
    active: lines(6, 10) + lines(11, 11).slice(0, 70),
    sealing: lines(1, 5),
    quarantine: { 'numbered.logtmp.tmp': lines(11, 11).slice(0, 30) },
    valid: 10,
  },
  'an active segment that was sealed already': { active: lines(1, 5), sealing: lines(1, 5), valid: 5 },
  'an active segment without a valid line': { active: Buffer.alloc(3000, 0xff), sealing: lines(1, 5), valid: 5 },
  'an empty active segment': { active: '', sealing: lines(1, 5), valid: 5 },
  'a sealed segment with a torn end': {
    active: lines(7, 10),
    sealing: lines(1, 5) + lines(6, 6).slice(0, 70),
    named: 6,
    valid: 5,
    forgot: true,
  },
};

function makeDirty(logDir: string, { active, sealing, named = 5, quarantine = {} }: Dirt): void {
  for (const room of ['active', 'sealing', 'sealing/numbered', 'sessions', 'outbox', 'quarantine']) {
    mkdirSync(join(logDir, room));
  }
  writeFileSync(join(logDir, 'active/numbered.logtmp'), active);
  const segment = `0000000000000001-${String(named).padStart(16, '0')}_20261121T100000Z.log`;
  writeFileSync(join(logDir, 'sealing/numbered', segment), sealing);
  for (const [name, content] of Object.entries(quarantine)) {
    writeFileSync(join(logDir, 'quarantine', name), content);
  }
}

/** Recovery in a process of its own, without the rest of the server. */
async function recover(logDir: string, plan: string[] = []): Promise<Call[]> {
  const log = `${logDir}.calls`;
  writeFileSync(log, '');
  const script = `
    const { Recovery } = await import(${JSON.stringify(`${DIST}segment/recovery.js`)});
    const { layoutOf } = await import(${JSON.stringify(`${DIST}segment/layout.js`)});
    const { nodeFiles } = await import(${JSON.stringify(`${DIST}segment/node-files.js`)});
    await new Recovery(nodeFiles, layoutOf(process.argv[1]), () => undefined).run();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, logDir], {
    env: { PATH: process.env['PATH'], ...withFaults({ prefix: logDir, plan, log }) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code !== 0 && signal !== 'SIGKILL') {
    throw new Error(`recovery ended with ${code}`);
  }
  return readCalls(log);
}

/** Every file and its bytes, and every directory. */
function treeOf(logDir: string): Record<string, string> {
  const entries = readdirSync(logDir, { recursive: true, withFileTypes: true }).map((entry): [string, string] => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(logDir.length), entry.isFile() ? readFileSync(path, 'latin1') : 'directory'];
  });
  return Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describe('crash during recovery: recovery is idempotent', () => {
  it.each(Object.entries(DIRT))('killed at every system call with %s', async (_name, dirt) => {
    await using rig = new Rig();
    makeDirty(rig.logDir, dirt);
    const dirty = `${rig.logDir}.dirty`;
    cpSync(rig.logDir, dirty, { recursive: true });
    const calls = (await recover(rig.logDir)).filter(changes);
    const recovered = treeOf(rig.logDir);
    await recover(rig.logDir);
    expect(treeOf(rig.logDir), 'a second recovery changes no byte').toEqual(recovered);

    // After a call is before the next one, unless both run at the same time.
    const kills = soak ? ['kill-before', 'kill-after'] : ['kill-before'];
    const points = calls.flatMap((_, index) => kills.map((kill) => `change@${index + 1}=${kill}`));
    points.push(`change@${calls.length}=kill-after`);
    await eachOfTwoAtOnce(points.entries(), async ([index, point]) => {
      const logDir = `${rig.logDir}.${index}`;
      cpSync(dirty, logDir, { recursive: true });
      expect((await recover(logDir, [point])).at(-1)?.action).toMatch(/^kill/);
      await recover(logDir);
      expect(treeOf(logDir), `${point}, and recovered again`).toEqual(recovered);
    });
    measured('crash during recovery', { 'killed before or after a system call': points.length });

    if (dirt.forgot !== true) {
      const agent = new Agent([{ ...numbered(), acknowledged: dirt.valid }]);
      expect(await rig.recover(agent)).toEqual([]);
    }
  });

  const STAGES = [
    'mkdir/sessions/@1=kill-before',
    'rename/sessions/@1=kill-before',
    'rename/sessions/@1=kill-after',
    'rename/.json@1=kill-before',
    'rename/.json@1=kill-after',
    'rename/outbox@1=kill-after',
    'unlink/.log@3=kill-before',
    'unlink/outbox/@2=kill-before',
  ];

  it.each(STAGES)('killed again while it goes on with a seal that was killed at %s', async (stage) => {
    const random = randomOf(SEED + STAGES.indexOf(stage));
    const points = soak
      ? Array.from({ length: 60 }, (_, index) => index + 1)
      : Array.from({ length: amount(2, 60) }, () => 1 + Math.floor(random() * 40));
    let killed = 0;
    await eachOfTwoAtOnce(points, async (k) => {
      await using rig = new Rig({ redis });
      const agent = new Agent([source('numbered', null, 'batches')]);
      const first = await rig.start({ plan: [stage] });
      await agent.send(first.grpc, 6);
      await agent.send(first.grpc, 9);
      expect(await first.ended).toBe('SIGKILL');
      const second = await rig.start({ plan: [`change@${k}=kill-before`] }).catch(() => null);
      if (second !== null) {
        await agent.send(second.grpc, 1);
        await rig.settledUnlessGone(second);
        await second.end('SIGKILL');
      }
      killed += rig.calls().at(-1)?.action === 'kill-before' ? 1 : 0;
      expect(await rig.recover(agent), `${stage}, then change@${k}`).toEqual([]);
    });
    measured('crash during recovery', { 'killed again in a half-done seal': killed });
  });
});
