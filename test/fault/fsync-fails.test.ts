import { readdir, readFile } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { Agent, source } from './agent.js';
import { amount, measured } from './amounts.js';
import type { Call } from './call-log.js';
import { eachOfTwoAtOnce, Rig } from './rig.js';

/** The calls on the descriptor of a failed sync after that, until it is closed; null when no sync failed. */
function afterFailedSync(calls: readonly Call[]): Call[] | null {
  const failed = calls.findIndex(({ kind, action }) => kind === 'fdatasync' && action !== '');
  const { fd } = calls[failed] ?? {};
  if (failed === -1) {
    return null;
  }
  const later = calls.slice(failed + 1);
  const closed = later.findIndex((call) => call.fd === fd && call.kind === 'close');
  return later.slice(0, closed === -1 ? later.length : closed).filter((call) => call.fd === fd);
}

async function reasonsOfSeals(rig: Rig, sessionId: string): Promise<string[]> {
  const directory = `${rig.logDir}/sessions/${sessionId}`;
  const names = (await readdir(directory)).filter((name) => name.endsWith('.json')).toSorted();
  const manifests = names.map(
    async (name) => JSON.parse(await readFile(`${directory}/${name}`, 'utf8')) as { reason: string },
  );
  return (await Promise.all(manifests)).map(({ reason }) => reason);
}

describe('fsync fails: never acknowledged, never retried on that descriptor', () => {
  it('the segment is sealed as `recovery`, what was not acknowledged is written again into a new one, and nobody has to know', async () => {
    const ks = Array.from({ length: amount(6, 20) }, (_, index) => index + 1);
    let lost = 0;
    await eachOfTwoAtOnce(ks, async (k) => {
      await using rig = new Rig({ environment: { LOG_MAX_SIZE_BYTES: '100000' } });
      const agent = new Agent([source('numbered', null, 'batches')]);
      // The kernel drops the pages, and says that the next sync went well.
      const server = await rig.start({ plan: [`fdatasync/active@${k}=lose`] });
      for (let round = 0; round < ks.length + 2; round++) {
        expect(await agent.send(server.grpc, 2)).toEqual({ ok: true, failures: [] });
      }
      await rig.settled();
      expect(afterFailedSync(rig.calls())).toEqual([]);
      // With nothing durable in the segment yet, there is nothing to seal.
      expect(await reasonsOfSeals(rig, 'numbered').catch(() => [])).toEqual(k === 1 ? [] : ['recovery']);
      await server.end('SIGKILL');
      expect(await rig.recover(agent)).toEqual([]);
      lost++;
    });
    measured('fsync fails', { 'syncs failed, their bytes lost': lost });
  });

  it('a second failure: UNAVAILABLE, and the service recovers by itself', async () => {
    await using rig = new Rig();
    const agent = new Agent([source('numbered', null, 'batches'), source('streamed', 'p1', 'stream')]);
    const server = await rig.start({ plan: ['fdatasync/active@1+=lose'], gated: true });
    expect((await agent.send(server.grpc, 4)).ok).toBe(true);
    const acknowledged = agent.acknowledged;

    rig.closeGate();
    const { failures } = await agent.send(server.grpc, 4);
    expect(failures.map(({ code }) => code)).toEqual([status.UNAVAILABLE, status.UNAVAILABLE]);
    expect(agent.acknowledged).toBe(acknowledged);
    const ready = await fetch(`${server.http}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([503, { ready: false, reasons: ['the disk failed'] }]);

    rig.openGate();
    await expect.poll(async () => (await fetch(`${server.http}/readyz`)).status, { timeout: 30_000 }).toBe(200);
    expect((await agent.send(server.grpc, 4)).ok).toBe(true);
    await rig.settled();
    await server.end('SIGKILL');
    expect(afterFailedSync(rig.calls())).toEqual([]);
    expect(await rig.recover(agent)).toEqual([]);
  });
});
