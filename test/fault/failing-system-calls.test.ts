import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../support/redis.js';
import type { ServerProcess } from '../support/server-process.js';
import { Agent, type Attempt, source } from './agent.js';
import { measured, soak } from './amounts.js';
import type { CallKind } from './call-log.js';
import { randomOf } from './random.js';
import { eachOfTwoAtOnce, Rig } from './rig.js';

const SEED = Number(process.env['LOGWEIR_SEED'] ?? 20261121);
const FAULTS = ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'short', 'delay:200'];
const ROUNDS = [9, 5];
/** An agent that hears nothing for so long gives up. */
const ANSWER_MS = 20_000;
const TYPED: ReadonlySet<number> = new Set([status.UNAVAILABLE, status.RESOURCE_EXHAUSTED]);

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const newAgent = (): Agent => new Agent([source('numbered', null, 'batches'), source('streamed', 'p1', 'stream')]);

interface Injection {
  /** `any`: a disk that is gone altogether, from then on. */
  readonly kind: CallKind | 'any';
  readonly k: number;
  readonly fault: string;
}

/** How often each kind of call is made in a life without a fault. */
async function callsOfAnUnharmedLife(): Promise<Map<Injection['kind'], number>> {
  await using rig = new Rig({ redis });
  const server = await rig.start();
  const agent = newAgent();
  for (const fresh of ROUNDS) {
    expect((await agent.send(server.grpc, fresh)).ok).toBe(true);
    await rig.settled();
  }
  const calls = rig.calls();
  const counts = new Map<Injection['kind'], number>([['any', calls.length]]);
  for (const { kind } of calls) {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** In soak every call with every fault; in CI each kind with each fault, at a call that the seed chooses. */
async function injections(random: () => number): Promise<Injection[]> {
  const counts = [...(await callsOfAnUnharmedLife())];
  return counts.flatMap(([kind, count]) =>
    FAULTS.filter((fault) => fault !== 'short' || kind === 'write').flatMap((fault) => {
      const ks = soak ? Array.from({ length: count }, (_, index) => index + 1) : [1 + Math.floor(random() * count)];
      return ks.map((k) => ({ kind, k, fault }));
    }),
  );
}

/** Null when the server refused to start, as it may on such a disk: with one sentence, and no crash. */
async function startOrRefusal(rig: Rig, rule: string): Promise<ServerProcess | null> {
  try {
    return await rig.start({ plan: [rule] });
  } catch (error) {
    const log = String(error);
    expect(log, rule).toMatch(/the server ended with (1|78) before it was ready/);
    expect(log, rule).not.toMatch(/unexpected error|crashed/);
    return null;
  }
}

/** Errors have a code that says whether to come again. */
function expectTyped({ failures }: Attempt, rule: string): void {
  expect(
    failures.filter(({ code }) => !TYPED.has(code)),
    rule,
  ).toEqual([]);
}

async function attempt(agent: Agent, server: ServerProcess, fresh: number, rule: string): Promise<Attempt> {
  const made = await agent.send(server.grpc, fresh, AbortSignal.timeout(ANSWER_MS));
  expectTyped(made, rule);
  return made;
}

/** Sends until all is acknowledged, by the same process. */
async function persist(agent: Agent, server: ServerProcess, fresh: number, rule: string): Promise<void> {
  const deadline = Date.now() + 3 * ANSWER_MS;
  for (let due = fresh; !(await attempt(agent, server, due, rule)).ok; due = 0) {
    expect(Date.now(), `${rule}: never recovers`).toBeLessThan(deadline);
    await sleep(50);
  }
}

async function once(rule: string): Promise<void> {
  await using rig = new Rig({ redis });
  const agent = newAgent();
  const server = (await startOrRefusal(rig, rule)) ?? (await rig.start());
  for (const fresh of ROUNDS) {
    await persist(agent, server, fresh, rule);
    await rig.settled();
  }
  expect((await fetch(`${server.http}/readyz`)).status, rule).toBe(200);
  // Nothing is on its way: what lies there now is what the next start finds.
  expect(await server.end('SIGKILL'), rule).toBe('SIGKILL');
  expect(await rig.objections(agent), rule).toEqual([]);
}

async function forGood(rule: string): Promise<void> {
  await using rig = new Rig({ redis });
  const agent = newAgent();
  const server = await startOrRefusal(rig, rule);
  if (server !== null) {
    let ok = true;
    for (const fresh of ROUNDS) {
      ok &&= (await attempt(agent, server, ok ? fresh : 0, rule)).ok;
    }
    expect((await fetch(`${server.http}/healthz`)).status, rule).toBe(200);
    expect((await fetch(`${server.http}/metrics`)).status, rule).toBe(200);
    if (!ok) {
      await expectUnready(server, rule);
    }
    expect(await server.end('SIGKILL'), `${rule}: the process stays up`).toBe('SIGKILL');
  }
  expect(await rig.recover(agent), rule).toEqual([]);
}

async function expectUnready({ http }: ServerProcess, rule: string): Promise<void> {
  const ready = await fetch(`${http}/readyz`);
  const { reasons } = (await ready.json()) as { reasons: string[] };
  expect([ready.status, reasons.length], `${rule}: frames can't be stored`).toEqual([503, 1]);
}

describe('a system call fails: typed error, no false ack, no crash loop', () => {
  it('once: the service recovers by itself', async () => {
    const cases = await injections(randomOf(SEED));
    await eachOfTwoAtOnce(cases, ({ kind, k, fault }) => once(`${kind}@${k}=${fault}`));
    measured('a system call fails', { 'calls failed once': cases.length });
  });

  it('for good: the process stays up and says why; after a restart everything that was acknowledged is there', async () => {
    const cases = await injections(randomOf(SEED + 1));
    await eachOfTwoAtOnce(cases, ({ kind, k, fault }) => forGood(`${kind}@${k}+=${fault}`));
    measured('a system call fails', { 'calls failed for good': cases.length });
  });
});
