/** Rotation and compression while frames come in: documentation of this machine, segments of 8 MiB, in batches over ten sessions. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../support/bench.js';
import { compareServers, type Turn } from '../support/compared-run.js';
import type { Figures } from '../support/figures.js';
import type { ServerJob } from '../support/server-run.js';

const GROUP = 'gzip';
const SESSIONS = 10;
const SEGMENT_BYTES = 8 * 1024 * 1024;
const SMOKE_SEGMENT_BYTES = 16 * 1024;
const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9];
/** Issue 4: 1.3 times Fluent Bit's rotate + gzip on the same machine. */
const FRAMES_PER_CPU_SECOND_MIN = 1.3 * 237_000;
const STALL_MS_MAX = 50;

export async function measureGzip(bench: Bench): Promise<void> {
  const job = 'real text, rotated every 8 MiB';
  const turns: Turn[] = [
    { server: 'none', contender: 'logweir' },
    { server: 'gzip, default level', contender: 'logweir', environment: { LOG_COMPRESSION: 'gzip' } },
    ...(bench.settings.smoke ? LEVELS.slice(0, 1) : LEVELS).map((level): Turn => {
      const environment = { LOG_COMPRESSION: 'gzip', LOG_GZIP_LEVEL: String(level) };
      return { server: `gzip, level ${level}`, contender: 'logweir', environment };
    }),
  ];
  await compareServers(bench, {
    group: GROUP,
    job,
    transport: 'batches',
    plan: { sessions: SESSIONS, text: { kind: 'real' } },
    environment: { LOG_MAX_SIZE_BYTES: String(bench.settings.smoke ? SMOKE_SEGMENT_BYTES : SEGMENT_BYTES) },
    turns,
    inspect,
  });
  for (const { server } of turns) {
    const row = { group: GROUP, job, server };
    bench.target(row, 'longestStallMs', { atMost: STALL_MS_MAX });
    if (server !== 'none') {
      bench.ratio(row, 'framesPerSecond', [{ ...row, server: 'none' }], 'without compression', null);
      const isDefault = server === turns[1]?.server;
      const bound = isDefault ? { atLeast: FRAMES_PER_CPU_SECOND_MIN } : null;
      bench.target(row, 'framesPerCpuSecond', bound);
    }
  }
}

/** By the manifests. */
const inspect: ServerJob['inspect'] = (_, logDir): Promise<Figures> => {
  const { bytes, stored, segments } = storedBytes(logDir);
  if (segments === 0) {
    throw new Error('no segment was finished: there is nothing to compare');
  }
  return Promise.resolve({ storedShare: stored / bytes });
};

function storedBytes(logDir: string): { bytes: number; stored: number; segments: number } {
  const sum = { bytes: 0, stored: 0, segments: 0 };
  const sessions = join(logDir, 'sessions');
  for (const session of readdirSync(sessions)) {
    for (const name of readdirSync(join(sessions, session)).filter((entry) => entry.endsWith('.json'))) {
      const manifest: { bytes: number; compressed_bytes?: number } = JSON.parse(
        readFileSync(join(sessions, session, name), 'utf8'),
      );
      sum.bytes += manifest.bytes;
      sum.stored += manifest.compressed_bytes ?? manifest.bytes;
      sum.segments++;
    }
  }
  return sum;
}
