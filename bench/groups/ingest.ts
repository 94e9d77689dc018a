/** One million frames of about 180 bytes over few and many sessions, a message each and in batches. */
import type { Bench } from '../support/bench.js';
import { type ComparedWork, compareServers, OWN_SERVERS } from '../support/compared-run.js';
import { PEERS, type Peer, TRANSPORTS, type Transport } from '../support/load-protocol.js';
import { peerVersion } from '../support/peer-servers.js';
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

/** What a user might pick instead, and those of them that acknowledge single records (Redis does so before it syncs). */
const ACKNOWLEDGING: readonly Peer[] = ['relp', 'nats'];

export async function measureIngest(bench: Bench): Promise<void> {
  const peers = installedPeers(bench);
  for (const sessions of bench.settings.sessions ?? SESSIONS) {
    await compareServers(
      bench,
      ...TRANSPORTS.map((transport): ComparedWork => {
        const job = ingestJob(transport, sessions);
        const work = { group: GROUP, job, transport, plan: { sessions }, turns: OWN_SERVERS };
        // Bursts of a session are the kinder load for them, too: they are measured once, beside the batches.
        return transport === 'batches' ? { ...work, peers } : work;
      }),
    );
    for (const transport of TRANSPORTS) {
      compare(bench, transport, ingestJob(transport, sessions));
      compareWithPeers(bench, transport, sessions, peers);
    }
  }
}

function installedPeers(bench: Bench): Peer[] {
  return PEERS.filter((peer) => {
    const version = peerVersion(peer);
    if (version === null && bench.wants(peer)) {
      bench.note(`${peer} is NOT INSTALLED: its rows are missing, and nothing is compared with it.`);
    }
    if (version !== null && bench.wants(peer)) {
      bench.versions[peer] = version;
    }
    return version !== null;
  });
}

function compareWithPeers(bench: Bench, transport: Transport, sessions: number, installed: readonly Peer[]): void {
  const ours = { group: GROUP, job: ingestJob(transport, sessions), server: 'logweir' };
  const peers = transport === 'single' ? ACKNOWLEDGING : PEERS;
  const rows = peers.map((server) => ({ group: GROUP, job: ingestJob('batches', sessions), server }));
  const named = peers.filter((peer) => installed.includes(peer)).join(', ');
  const bound = { atLeast: transport === 'single' ? 2 : 1.6 };
  for (const figure of ['framesPerSecond', 'framesPerCpuSecond'] as const) {
    bench.ratio(ours, figure, rows, `the best of ${named === '' ? 'the peers' : named}`, bound);
  }
}

function ingestJob(transport: Transport, sessions: number): string {
  const how = transport === 'single' ? 'single frames' : 'batches of 100';
  return `${how}, ${sessions.toLocaleString('en')} sessions`;
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
