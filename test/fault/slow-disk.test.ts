import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../support/frames.js';
import { LogClient } from '../support/log-client.js';
import type { ServerProcess } from '../support/server-process.js';
import { Agent, frameOf, source } from './agent.js';
import { measured } from './amounts.js';
import { Rig, until } from './rig.js';

const MIB = 1 << 20;
/** What the sessions of these tests may hold, and what the process may need for each byte of it: buffers, copies, the heap. */
const SESSION_QUEUE_BYTES = 2 * MIB;
const RSS_MAX = 400 * MIB;

function rssOf({ pid }: ServerProcess): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

async function answers(server: ServerProcess): Promise<void> {
  expect((await fetch(`${server.http}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${server.http}/metrics`)).text()).toContain('logweir_');
}

describe('slow or frozen disk: bounded memory, probes answer, other sessions go on', () => {
  it.each(['sync', 'write'])('a stuck %s of one session holds up no other', async (kind) => {
    await using rig = new Rig();
    const stuck = new Agent([source('stuck', 'p1', 'batches')]);
    const others = new Agent([source('numbered', null, 'batches'), source('streamed', 'p1', 'stream')]);
    const server = await rig.start({ plan: [`${kind}/stuck.logtmp@1+=stuck`], gated: true });
    await stuck.send(server.grpc, 2);

    rig.closeGate();
    const acknowledged = stuck.acknowledged;
    const sending = stuck.send(server.grpc, 5);
    for (let round = 0; round < 10; round++) {
      expect((await others.send(server.grpc, 5)).ok).toBe(true);
      await answers(server);
    }
    expect(stuck.acknowledged).toBe(acknowledged);

    rig.openGate();
    expect((await sending).ok).toBe(true);
    await rig.settled();
    await server.end('SIGKILL');
    expect(await rig.recover(new Agent([...stuck.sources, ...others.sources]))).toEqual([]);
    measured('slow or frozen disk', { [`frames of others during a stuck ${kind}`]: others.acknowledged });
  });

  it.each(['sync', 'write'])(
    'with every %s stuck, memory is bounded and probes answer; then everything is acknowledged',
    async (kind) => {
      await using rig = new Rig({
        environment: {
          LOG_MAX_SIZE_BYTES: String(64 * MIB),
          LOG_MAX_SESSION_QUEUE_BYTES: String(SESSION_QUEUE_BYTES),
          LOG_MAX_QUEUE_BYTES: String(4 * SESSION_QUEUE_BYTES),
        },
      });
      const agent = new Agent([source('streamed', 'p1', 'stream'), source('numbered', null, 'batches')]);
      const server = await rig.start({ plan: [`${kind}@1+=stuck`], gated: true });
      expect((await agent.send(server.grpc, 3)).ok).toBe(true);

      rig.closeGate();
      const sending = agent.send(server.grpc, 3);
      const flood = floodOf(server.grpc, 'flood', 64 * MIB);
      let rssMax = 0;
      await until(
        async () => {
          await answers(server);
          rssMax = Math.max(rssMax, rssOf(server));
          return flood.standsStill();
        },
        () => 'the flood is taken without an end',
      );
      expect(flood.sentBytes).toBeLessThan(64 * MIB);
      expect(rssMax).toBeLessThan(RSS_MAX);

      rig.openGate();
      expect((await sending).ok).toBe(true);
      await flood.end();
      await rig.settled();
      await server.end('SIGKILL');
      expect(await rig.recover(agent)).toEqual([]);
      measured('slow or frozen disk', { [`RSS with every ${kind} stuck, MiB`]: Math.round(rssMax / MIB) });
    },
  );

  it('slow calls of all kinds only take their time', async () => {
    await using rig = new Rig();
    const agent = new Agent();
    const server = await rig.start({ plan: ['sync@1+=delay:100', 'write@1+=delay:20'] });
    expect((await agent.send(server.grpc, 9)).ok).toBe(true);
    await answers(server);
    await rig.settled();
    await server.end('SIGKILL');
    expect(await rig.recover(agent)).toEqual([]);
  });
});

interface Flood {
  readonly sentBytes: number;
  /** Nothing more was taken for a while. */
  standsStill(): boolean;
  end(): Promise<void>;
}

/** Frames of 60 KB over a stream of their own, as many as the server takes, up to a bound. */
function floodOf(address: string, sessionId: string, bytesMax: number): Flood {
  const client = new LogClient(address);
  const stream = client.open();
  const content = 'x'.repeat(60_000);
  let sentBytes = 0;
  let sentAt = Date.now();
  const sending = (async () => {
    for (let n = 1; sentBytes < bytesMax; n++) {
      await stream.send(encodeFrame({ ...frameOf(source(sessionId, 'p1', 'stream'), n), content }));
      sentBytes += content.length;
      sentAt = Date.now();
    }
  })();
  return {
    get sentBytes() {
      return sentBytes;
    },
    standsStill: () => Date.now() - sentAt > 1500,
    async end() {
      stream.cancel();
      await sending;
      client[Symbol.dispose]();
    },
  };
}
