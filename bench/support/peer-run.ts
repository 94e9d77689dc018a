/** One peer, once: the same frames, looked at from outside in the same way, and checked by reading everything back. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Figures } from './figures.js';
import { type FramePlan, type PlannedFrame, sessionId } from './frame-plan.js';
import type { Load } from './load.js';
import type { Peer } from './load-protocol.js';
import { readStream } from './nats-client.js';
import { PeerCheck, type PeerRecord } from './peer-check.js';
import { type RunningPeer, startPeer } from './peer-servers.js';
import { bytesWritten } from './process-figures.js';
import { loadLogService } from './repository.js';
import { inLogDirKept, orLastWords, settle, watch } from './server-run.js';
import type { BenchSettings } from './settings.js';

/** rsyslog says nothing when it is done: its files have not grown for so long. */
const QUIET_MS = 1000;
const POLL_MS = 5;

const { requestSerialize, requestDeserialize } = loadLogService<PlannedFrame>({
  longs: Number,
  defaults: true,
}).WriteLogStream;

export interface PeerJob {
  readonly peer: Peer;
  readonly warmup: FramePlan;
  readonly measured: FramePlan;
  /** Frames of a stream that may be on their way. */
  readonly inFlight: number;
}

/** @throws when a frame is not stored once, in order */
export async function runPeer(settings: BenchSettings, load: Load, job: PeerJob): Promise<Figures> {
  const { peer, warmup, measured, inFlight } = job;
  return inLogDirKept(settings, async (directory) => {
    const running = await startPeer(peer, directory, settings.pinning?.server ?? null);
    return orLastWords(peer, running, async () => {
      const { port, child } = running;
      await load.replay({ transport: peer, sessionPrefix: warmup.sessionPrefix, port, inFlight });
      await untilQuiet(child.pid);
      const watched = watch(settings, child.pid);
      const begun = performance.now();
      const replayed = await load.replay({ transport: peer, sessionPrefix: measured.sessionPrefix, port, inFlight });
      let { wallSeconds } = replayed;
      if (peer === 'rsyslog') {
        wallSeconds = ((await untilQuiet(child.pid)) - begun) / 1000;
      }
      await settle(child.pid, directory);
      const figures = watched(measured.frames, { ...replayed, wallSeconds });
      await check(peer, running, directory, warmup, measured);
      return figures;
    });
  });
}

/** @returns when the process wrote last */
async function untilQuiet(pid: number): Promise<number> {
  let lastChange = performance.now();
  let written = bytesWritten(pid);
  while (performance.now() - lastChange < QUIET_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const now = bytesWritten(pid);
    if (now !== written) {
      written = now;
      lastChange = performance.now();
    }
  }
  return lastChange;
}

async function check(
  peer: Peer,
  { child, port }: RunningPeer,
  directory: string,
  warmup: FramePlan,
  measured: FramePlan,
): Promise<void> {
  const checked = new PeerCheck(measured);
  switch (peer) {
    case 'redis':
      await readRedis(port, measured, checked);
      break;
    case 'nats':
      await readStream(port, 'logs', warmup.frames + measured.frames, (_, payload) => {
        const record = protobufRecord(payload);
        if (record.session.startsWith(`${measured.sessionPrefix}-`)) {
          checked.take(record);
        }
      });
      break;
    default:
      await child.stop();
      readLines(join(directory, 'out'), measured, checked);
  }
  checked.finish();
}

function protobufRecord(payload: Buffer): PeerRecord & { readonly session: string } {
  const { content, sessionId: session } = requestDeserialize(payload);
  return { session, content, isOf: (frame) => requestSerialize(frame).equals(payload) };
}

async function readRedis(port: number, plan: FramePlan, checked: PeerCheck): Promise<void> {
  const redis = new Redis({ host: '127.0.0.1', port });
  try {
    for (let session = 0; session < plan.sessions; session++) {
      for (const [, fields] of await redis.xrangeBuffer(sessionId(plan, session), '-', '+')) {
        checked.take(protobufRecord(fields[1] ?? Buffer.alloc(0)));
      }
    }
  } finally {
    redis.disconnect();
  }
}

interface SyslogLine {
  readonly session_id: string;
  readonly user_id: string;
  readonly role: string;
  readonly content: string;
  readonly metadata: string;
}

function readLines(directory: string, plan: FramePlan, checked: PeerCheck): void {
  for (const name of readdirSync(directory).filter((entry) => entry.startsWith(`${plan.sessionPrefix}-`))) {
    for (const text of readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1)) {
      const line: SyslogLine = JSON.parse(text);
      checked.take({ content: line.content, isOf: (frame) => isLineOf(line, frame) });
    }
  }
}

function isLineOf(line: SyslogLine, { sessionId: session, userId, role, content, metadata }: PlannedFrame): boolean {
  return (
    line.session_id === session &&
    line.user_id === userId &&
    line.role === role &&
    line.content === content &&
    Object.values(metadata?.fields ?? {}).every(({ stringValue }) => line.metadata.includes(`"${stringValue}"`))
  );
}
