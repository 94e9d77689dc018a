/**
 * From the last byte of a batch to its acknowledgement: agents that write a session each, one batch on its way, the next one
 * when it is acknowledged.
 */
import type { Bench } from '../support/bench.js';
import { BATCH_FRAMES, compareServers, OWN_SERVERS } from '../support/compared-run.js';
import { PEAK_RSS_BYTES_MAX } from './ingest.js';

const SESSIONS = [1, 100, 1000];
const STREAMS_PER_CONNECTION = 100;

export async function measureAcks(bench: Bench): Promise<void> {
  for (const sessions of bench.settings.sessions ?? SESSIONS) {
    const job = `one batch of ${BATCH_FRAMES} in flight, ${sessions.toLocaleString('en')} agents`;
    await compareServers(bench, {
      group: 'acks',
      job,
      transport: 'batches',
      plan: { sessions, streams: sessions, own: true },
      connections: Math.ceil(sessions / STREAMS_PER_CONNECTION),
      inFlight: 1,
      turns: OWN_SERVERS,
    });
    const ours = { group: 'acks', job, server: 'logweir' };
    for (const figure of ['framesPerSecond', 'ackP50Ms'] as const) {
      bench.ratio(
        ours,
        figure,
        [{ ...ours, server: 'straightforward' }],
        'the straightforward service (unsynced)',
        null,
      );
    }
    bench.target(ours, 'peakRssBytes', { atMost: PEAK_RSS_BYTES_MAX });
  }
}
