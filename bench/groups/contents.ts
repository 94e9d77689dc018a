/** Short and long frames, what JSON has to escape, much and no metadata; in batches, over ten sessions. */
import type { Bench } from '../support/bench.js';
import { BATCH_FRAMES, type ComparedWork, compareServers, OWN_SERVERS } from '../support/compared-run.js';
import type { FrameText } from '../support/frame-text.js';
import { PEAK_RSS_BYTES_MAX } from './ingest.js';

const GROUP = 'contents';
const SESSIONS = 10;
const KINDS = ['ascii', 'cjk', 'quotes'] as const;
const SIZES = [100, 1024, 16 * 1024, 1024 * 1024];
const SMOKE_SIZES = [1024 * 1024];
const METADATA_KEYS = [0, 20];
/** Of all frames of a run: what a run of short frames comes to. */
const RUN_BYTES_MAX = 200e6;
/** A batch, and what a stream has on its way. */
const BATCH_BYTES_MAX = 1024 * 1024;
const IN_FLIGHT_BYTES_MAX = 4 * 1024 * 1024;
/** The default of logweir is smaller than 1 MiB of content with the rest of the frame. */
const MAX_FRAME_BYTES = 2 * 1024 * 1024;

export async function measureContents(bench: Bench): Promise<void> {
  for (const kind of KINDS) {
    for (const bytes of bench.settings.smoke ? SMOKE_SIZES : SIZES) {
      await compare(bench, `${sizeText(bytes)} of ${kind}`, { kind, bytes }, bytes, 2);
    }
  }
  for (const keys of METADATA_KEYS) {
    const bytes = 100;
    await compare(bench, `${bytes} B of ascii, ${keys} metadata keys`, { kind: 'ascii', bytes }, bytes, keys);
  }
}

function sizeText(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : bytes < 1024 * 1024 ? `${bytes / 1024} KiB` : `${bytes / 1024 / 1024} MiB`;
}

async function compare(bench: Bench, job: string, text: FrameText, bytes: number, metadataKeys: number): Promise<void> {
  const burst = Math.max(1, Math.min(BATCH_FRAMES, Math.floor(BATCH_BYTES_MAX / bytes)));
  const inFlight = Math.max(1, Math.min(bench.settings.inFlight, Math.floor(IN_FLIGHT_BYTES_MAX / (burst * bytes))));
  const bytesMax = bench.settings.smoke ? RUN_BYTES_MAX / 20 : RUN_BYTES_MAX;
  const frames = Math.max(1, Math.min(bench.settings.frames, Math.floor(bytesMax / bytes)));
  const work: ComparedWork = {
    group: GROUP,
    job,
    transport: 'batches',
    plan: { sessions: SESSIONS, frames, burst, text, metadataKeys },
    inFlight,
    environment: { LOG_MAX_FRAME_BYTES: String(MAX_FRAME_BYTES) },
    turns: OWN_SERVERS.filter(({ server }) => server !== 'ceiling'),
  };
  await compareServers(bench, work);
  const ours = { group: GROUP, job, server: 'logweir' };
  for (const figure of ['framesPerSecond', 'framesPerCpuSecond'] as const) {
    bench.ratio(ours, figure, [{ ...ours, server: 'straightforward' }], 'the straightforward service', null);
  }
  bench.target(ours, 'peakRssBytes', { atMost: PEAK_RSS_BYTES_MAX });
}
