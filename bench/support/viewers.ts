/** The process of the viewers, and of whoever writes what they see live: one clock for both ends of a line. */
import { createHistogram } from 'node:perf_hooks';
import { Client, credentials } from '@grpc/grpc-js';
import { loadLogService, type WriteLogAck } from './repository.js';
import { stamped, Viewer } from './viewer.js';
import type { ViewerAnswer, ViewerCommand } from './viewer-protocol.js';

interface LiveFrame {
  readonly sessionId: string;
  readonly content: string;
}

const TICK_MS = 5;
const TEXT = 'one line of what an agent says while somebody looks at it, about as long as they are'.padEnd(110, ' .');
const latencies = createHistogram();
const { WriteLogBatches } = loadLogService<LiveFrame>({ longs: Number, defaults: true });
let viewers: Viewer[] = [];

function watch({ door, port, afterSeqs, viewers: count, stalled }: ViewerCommand & { type: 'watch' }): void {
  const sessions = Object.entries(afterSeqs);
  viewers = Array.from({ length: count }, (_, at) => {
    const [sessionId, afterSeq] = sessions[at % sessions.length] ?? ['', 0];
    return new Viewer({ door, port, sessionId, afterSeq, latencies }, at >= count - stalled);
  });
}

/** Resolves once every line is acknowledged. */
async function write(command: ViewerCommand & { type: 'write' }): Promise<void> {
  const { port, sessionId, frames, framesPerSecond, timed } = command;
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = WriteLogBatches;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, {});
  const answered = new Promise<void>((resolve, reject) => {
    call.on('data', ({ rejected }: WriteLogAck) => rejected.length > 0 && reject(new Error(rejected[0]?.reason)));
    call.once('end', resolve);
    call.once('error', reject);
  });
  const begun = performance.now();
  for (let batchId = 1, sent = 0; sent < frames; batchId++) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    // As many as are due: a late tick brings more.
    const due = Math.min(frames, Math.ceil(((performance.now() - begun) / 1000) * framesPerSecond));
    if (due > sent) {
      call.write({
        batchId,
        frames: Array.from({ length: due - sent }, () => ({ sessionId, content: timed ? stamped(TEXT) : TEXT })),
      });
      sent = due;
    }
  }
  call.end();
  await answered;
  client.close();
}

async function reached(watching: readonly Viewer[], lastSeqs: Readonly<Record<string, number>>): Promise<void> {
  await Promise.all(watching.map((viewer) => viewer.reached(lastSeqs[viewer.sessionId] ?? 0)));
}

async function finish(lastSeqs: Readonly<Record<string, number>>): Promise<ViewerAnswer> {
  await reached(viewers, lastSeqs);
  for (const viewer of viewers) {
    viewer.close();
  }
  const finished: ViewerAnswer = {
    type: 'finished',
    lines: viewers.reduce((sum, { lines }) => sum + lines, 0),
    reconnects: viewers.reduce((sum, { reconnects }) => sum + reconnects, 0),
    latencyMs:
      latencies.count === 0
        ? null
        : { p50: latencies.percentile(50) / 1000, p99: latencies.percentile(99) / 1000, max: latencies.max / 1000 },
  };
  viewers = [];
  latencies.reset();
  return finished;
}

async function answer(command: ViewerCommand): Promise<ViewerAnswer> {
  try {
    switch (command.type) {
      case 'watch':
        watch(command);
        return { type: 'watching' };
      case 'write':
        await write(command);
        return { type: 'written' };
      case 'reach':
        await reached(
          viewers.filter(({ stalls }) => !stalls),
          command.lastSeqs,
        );
        return { type: 'reached' };
      case 'wake':
        for (const viewer of viewers) {
          viewer.wake();
        }
        return { type: 'awake' };
      case 'finish':
        return await finish(command.lastSeqs);
    }
  } catch (error) {
    return { type: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

process.on('message', (command: ViewerCommand) => {
  void answer(command).then((given) => process.send?.(given));
});
