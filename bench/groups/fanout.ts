/** Viewers: how soon a line reaches them, what a delivered line costs, and what they cost ingest. */
import { doorOf, finished, withServer, withViewers } from '../support/audience.js';
import type { Bench } from '../support/bench.js';
import type { Figures } from '../support/figures.js';
import { cpuSeconds, peakRssBytes } from '../support/process-figures.js';
import type { BenchSettings } from '../support/settings.js';
import { DOORS, type Door } from '../support/viewer-protocol.js';
import { measureViewersCost } from './fanout-cost.js';

const GROUP = 'fanout';
const SECONDS = 5;
const SMOKE_SECONDS = 0.2;
/** Before that, at the same pace: in a run of five seconds what V8 has not compiled yet would be the slowest hundredth. */
const WARMUP_SECONDS = 3;
/** Viewers of one session, and lines a second that are written to it. */
const AUDIENCES = [
  { viewers: 1, framesPerSecond: 10_000 },
  { viewers: 100, framesPerSecond: 1000 },
  { viewers: 1000, framesPerSecond: 50 },
];
const SMOKE_AUDIENCES = [{ viewers: 5, framesPerSecond: 1000 }];
/** Issue 5. */
const P50_MS_MAX = 5;
const P99_MS_MAX = 25;
const LIVE = 'live';

export async function measureFanOut(bench: Bench): Promise<void> {
  const { settings } = bench;
  for (const { viewers, framesPerSecond } of settings.smoke ? SMOKE_AUDIENCES : AUDIENCES) {
    const job = `${viewers.toLocaleString('en')} viewers of one session, ${framesPerSecond.toLocaleString('en')} lines/s`;
    for (let run = 1; run <= settings.runs; run++) {
      for (const door of DOORS.filter((name) => bench.wants(name))) {
        bench.record({ group: GROUP, job, server: door }, run, await seeLive(settings, door, viewers, framesPerSecond));
      }
    }
    for (const door of DOORS) {
      bench.target({ group: GROUP, job, server: door }, 'viewP50Ms', { atMost: P50_MS_MAX });
      bench.target({ group: GROUP, job, server: door }, 'viewP99Ms', { atMost: P99_MS_MAX });
    }
  }
  await measureViewersCost(bench, GROUP);
}

async function seeLive(
  settings: BenchSettings,
  door: Door,
  viewers: number,
  framesPerSecond: number,
): Promise<Figures> {
  const warmup = Math.ceil(framesPerSecond * (settings.smoke ? SMOKE_SECONDS : WARMUP_SECONDS));
  const frames = Math.ceil(framesPerSecond * (settings.smoke ? SMOKE_SECONDS : SECONDS));
  return withServer(settings, async (server) =>
    withViewers(settings, async (ask) => {
      const write = (count: number, timed: boolean) =>
        ask({ type: 'write', timed, port: server.grpcPort, sessionId: LIVE, frames: count, framesPerSecond });
      // The session has to be there.
      await write(1, false);
      await ask({ type: 'watch', ...doorOf(server, door), afterSeqs: { [LIVE]: 0 }, viewers, stalled: 0 });
      await ask({ type: 'reach', lastSeqs: { [LIVE]: 1 } });
      await write(warmup, false);
      await ask({ type: 'reach', lastSeqs: { [LIVE]: 1 + warmup } });
      const before = cpuSeconds(server.child.pid);
      const begun = performance.now();
      await write(frames, true);
      const { latencyMs, reconnects } = await finished(ask, { [LIVE]: 1 + warmup + frames });
      const wallSeconds = (performance.now() - begun) / 1000;
      const cpu = cpuSeconds(server.child.pid) - before;
      return {
        viewP50Ms: latencyMs?.p50 ?? Number.NaN,
        viewP99Ms: latencyMs?.p99 ?? Number.NaN,
        viewMaxMs: latencyMs?.max ?? Number.NaN,
        linesDelivered: viewers * frames,
        linesDeliveredPerSecond: (viewers * frames) / wallSeconds,
        cpuMicrosecondsPerLine: (1e6 * cpu) / (viewers * frames),
        reconnects,
        serverCpuSeconds: cpu,
        peakRssBytes: peakRssBytes(server.child.pid),
      };
    }),
  );
}
