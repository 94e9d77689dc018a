/** One million frames of about 180 bytes over few and many sessions, a message each and in batches. */
import type { Bench } from '../support/bench.js';
import { compareServers, OWN_SERVERS } from '../support/compared-run.js';
import { TRANSPORTS, type Transport } from '../support/load-protocol.js';
import type { RowKey } from '../support/report.js';

const GROUP = 'ingest';
const SESSIONS = [10, 1000];
export const PEAK_RSS_BYTES_MAX = 200e6;
/** Issue 4: of what the transport alone does. */
const CEILING_SHARE_MIN = 0.8;

/** Twice NATS JetStream, the fastest of those that acknowledge single records; 1.6 times the best of all with batches. */
const ABSOLUTE: Readonly<Record<Transport, { framesPerSecond: number; framesPerCpuSecond: number | null }>> = {
  single: { framesPerSecond: 480_000, framesPerCpuSecond: null },
  batches: { framesPerSecond: 970_000, framesPerCpuSecond: 760_000 },
};

export async function measureIngest(bench: Bench): Promise<void> {
  for (const sessions of bench.settings.sessions ?? SESSIONS) {
    for (const transport of TRANSPORTS) {
      const job = ingestJob(transport, sessions);
      await compareServers(bench, { group: GROUP, job, transport, plan: { sessions }, turns: OWN_SERVERS });
      compare(bench, transport, job);
    }
  }
}

export function ingestJob(transport: Transport, sessions: number): string {
  const how = transport === 'single' ? 'single frames' : 'batches of 100';
  return `${how}, ${sessions.toLocaleString('en')} sessions`;
}

export function ingestRow(transport: Transport, sessions: number, server: string): RowKey {
  return { group: GROUP, job: ingestJob(transport, sessions), server };
}

function compare(bench: Bench, transport: Transport, job: string): void {
  const row = (server: string): RowKey => ({ group: GROUP, job, server });
  const ours = row('logweir');
  const absolute = ABSOLUTE[transport];
  const ceilingBound = transport === 'single' ? { atLeast: CEILING_SHARE_MIN } : null;
  bench.target(ours, 'framesPerSecond', { atLeast: absolute.framesPerSecond });
  if (absolute.framesPerCpuSecond !== null) {
    bench.target(ours, 'framesPerCpuSecond', { atLeast: absolute.framesPerCpuSecond });
  }
  for (const figure of ['framesPerSecond', 'framesPerCpuSecond'] as const) {
    bench.ratio(ours, figure, [row('ceiling')], 'the ceiling', ceilingBound);
    const straightforwardBound = { atLeast: transport === 'single' ? 2 : 1.6 };
    bench.ratio(ours, figure, [row('straightforward')], 'the straightforward service', straightforwardBound);
  }
  bench.target(ours, 'peakRssBytes', { atMost: PEAK_RSS_BYTES_MAX });
}
