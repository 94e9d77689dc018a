import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../support/redis.js';
import { Agent, source } from './agent.js';
import { amount, measured, soak } from './amounts.js';
import { type Call, changes } from './call-log.js';
import { LOSSES, SimulatedDisk } from './power-cut.js';
import { randomOf } from './random.js';
import { eachOfTwoAtOnce, Rig } from './rig.js';

const SEED = Number(process.env['LOGWEIR_SEED'] ?? 20261121);
/** Cycles over one LOG_DIR; then the oracle reads all of it. */
const CYCLES_OF_A_DIRECTORY = 10;
/** Lines of one life of the server: a segment is sealed, compressed, recorded and announced, and the next one begins; then the session is completed. */
const SCRIPT_ROUNDS = soak ? [9, 9, 9] : [9, 5];

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** The life of a server that is killed at one call, or from outside when it did not come to that. */
async function livedUntil(rig: Rig, agent: Agent, plan: string[]): Promise<Call[]> {
  const server = await rig.start({ plan }).catch(() => null);
  if (server !== null) {
    for (const fresh of SCRIPT_ROUNDS) {
      const { ok } = await agent.send(server.grpc, fresh);
      if (!ok || !(await rig.settledUnlessGone(server))) {
        break;
      }
    }
    if (await agent.complete(server.grpc)) {
      await rig.settledUnlessGone(server);
    }
    await server.end('SIGKILL');
  }
  return rig.calls();
}

describe('kill -9: no acknowledged frame lost, none twice, the next start needs no hand', () => {
  it('at a random moment, cycle after cycle', async () => {
    const cycles = amount(100, 1000);
    let acknowledged = 0;
    await eachOfTwoAtOnce(Array.from({ length: cycles / CYCLES_OF_A_DIRECTORY }).keys(), async (index) => {
      const random = randomOf(SEED + index);
      await using rig = new Rig({ redis });
      const agent = new Agent();
      for (let cycle = 0; cycle < CYCLES_OF_A_DIRECTORY; cycle++) {
        const server = await rig.start();
        const killed = sleep(random() * 120).then(() => server.end('SIGKILL'));
        while ((await agent.send(server.grpc, 3)).ok && (random() < 0.8 || (await agent.complete(server.grpc)))) {
          // Until the kill.
        }
        await killed;
      }
      expect(await rig.recover(agent), `LOGWEIR_SEED=${SEED + index}`).toEqual([]);
      acknowledged += agent.acknowledged;
    });
    measured('kill -9', { cycles, 'frames acknowledged': acknowledged });
  });

  it('before and after every system call of append → sync → seal → gzip → manifest → complete → announce', async () => {
    const sources = () => [source('numbered', null, 'batches')];
    await using unharmed = new Rig({ redis });
    const calls = (await livedUntil(unharmed, new Agent(sources()), [])).filter(changes);
    expect(calls.length).toBeGreaterThan(75);

    let killed = 0;
    const points = calls.flatMap((_, index) =>
      ['kill-before', 'kill-after'].map((kill) => `change@${index + 1}=${kill}`),
    );
    await eachOfTwoAtOnce(points, async (point) => {
      await using rig = new Rig({ redis });
      const agent = new Agent(sources());
      const last = (await livedUntil(rig, agent, [point])).at(-1);
      killed += last?.action.startsWith('kill') === true ? 1 : 0;
      expect(await rig.recover(agent), `${point}: ${last?.kind} ${last?.path}`).toEqual([]);
    });
    // Two runs may differ by a call or two at their end.
    expect(killed).toBeGreaterThan(points.length * 0.9);
    measured('kill -9', { 'system calls': calls.length, 'killed before or after one': killed });
  });
});

describe('A power cut loses no acknowledged frame', () => {
  it('at a random moment, whatever of the unsynced bytes and names survives', async () => {
    const cycles = amount(24, 400);
    await eachOfTwoAtOnce(Array.from({ length: cycles / LOSSES.length }).keys(), async (index) => {
      const random = randomOf(SEED + index);
      await using rig = new Rig({ redis });
      const agent = new Agent();
      for (const loss of LOSSES) {
        const disk = new SimulatedDisk(rig.logDir);
        // A killed process leaves things unsynced to the next one, which relies on them.
        for (let life = random() < 0.5 ? 1 : 2; life > 0; life--) {
          // By the library, between two calls: the log of a process that is killed from outside may lack a last one.
          const server = await rig
            .start({ data: true, plan: [`change@${1 + Math.floor(random() * 250)}=kill-before`] })
            .catch(() => null);
          const completes = (): boolean => random() < 0.2;
          while (
            server !== null &&
            (await agent.send(server.grpc, 3)).ok &&
            (!completes() || (await agent.complete(server.grpc)))
          ) {
            // Until the lights go out.
          }
          disk.follow(rig.calls(true));
        }
        disk.cut(loss, random);
      }
      expect(await rig.recover(agent), `LOGWEIR_SEED=${SEED + index}`).toEqual([]);
    });
    measured('kill -9', { 'power cuts': cycles });
  });
});
