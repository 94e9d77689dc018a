/** The parts between the doors and the disk, as the service has them, over a real directory. */
import { rm } from 'node:fs/promises';
import { type Core, type CoreConfig, openCore } from '../../src/core.js';
import { LiveHub } from '../../src/reading/live-hub.js';
import type { Completion, LogEvent } from '../../src/reading/log-events.js';
import { SessionLogSource } from '../../src/reading/session-log-source.js';
import { SessionReader } from '../../src/reading/session-reader.js';
import { systemClock } from '../../src/segment/clock.js';
import type { Files } from '../../src/segment/files.js';
import { type Layout, layoutOf } from '../../src/segment/layout.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { prepareDirectories } from '../../src/segment/prepare-directories.js';
import { silentLogger } from '../../src/telemetry/logger.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { encodeFrame, type FrameFields } from '../support/frames.js';

const metrics = new Metrics({ version: 'test' });

export class LiveCore implements AsyncDisposable {
  readonly core: Core;
  readonly layout: Layout;
  readonly hub: LiveHub;
  readonly reader: SessionReader;
  readonly logs: SessionLogSource;
  readonly #completions = new Map<string, Completion>();
  #closing: Promise<unknown> | null = null;

  private constructor(core: Core, layout: Layout, files: Files) {
    this.core = core;
    this.layout = layout;
    this.hub = core.hub;
    this.reader = new SessionReader(files, layout);
    this.logs = new SessionLogSource({
      reader: this.reader,
      hub: core.hub,
      completionOf: (sessionId) => Promise.resolve(this.#completions.get(sessionId) ?? null),
      settled: (sessionId) => core.sessions.registry.whenDurable(sessionId),
    });
  }

  static async open(
    root: string,
    { files = nodeFiles, ...config }: Partial<CoreConfig> & { files?: Files } = {},
  ): Promise<LiveCore> {
    const layout = layoutOf(root);
    await prepareDirectories(files, layout);
    const core = await openCore(
      {
        logDir: root,
        maxSegmentBytes: 1 << 20,
        maxSegmentAgeSeconds: 3600,
        idleSeconds: 3600,
        flushIntervalMs: 20,
        fsync: 'ack',
        compression: 'gzip',
        gzipLevel: 1,
        compressionWorkers: 1,
        maxFrameBytes: 1 << 20,
        maxQueueBytes: 1 << 28,
        maxSessionQueueBytes: 1 << 23,
        maxOpenFiles: 100,
        ...config,
      },
      { logger: silentLogger, metrics, files, clock: systemClock, publisher: null },
    );
    core.start();
    return new LiveCore(core, layout, files);
  }

  /** Takes frames one after the other; resolves when they are durable. */
  async take(frames: readonly FrameFields[]): Promise<void> {
    const intake = this.core.sessions.newIntake();
    for (const fields of frames) {
      const frame = encodeFrame(fields);
      const problem = await intake.take(frame, 0, frame.length);
      if (problem !== null) {
        throw new Error(`${problem.field} ${problem.reason}`);
      }
    }
    await intake.settle();
  }

  /** Ends the segment that is being filled. */
  seal(sessionId: string): void {
    this.core.sessions.registry.get(sessionId)?.cut('size');
  }

  /** As CompleteSession does: everything is stored before anybody is told. */
  async complete(sessionId: string): Promise<Completion> {
    const { lastSeq } = await this.core.sessions.registry.position(sessionId, '');
    const completion = { status: 'success', exitCode: 0, lastSeq };
    this.#completions.set(sessionId, completion);
    this.hub.completed(sessionId, completion);
    return completion;
  }

  async close(): Promise<void> {
    this.#closing ??= this.core.drain();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await rm(this.layout.root, { recursive: true, force: true });
  }
}

/** Takes events until it was told enough, or to the end. */
export async function collect(
  events: AsyncGenerator<LogEvent, void>,
  isEnough: (seen: readonly LogEvent[]) => boolean = () => false,
): Promise<LogEvent[]> {
  const seen: LogEvent[] = [];
  for await (const event of events) {
    seen.push(event);
    if (isEnough(seen)) {
      break;
    }
  }
  return seen;
}

/** The lines of events as text, one each. */
function linesIn(events: readonly LogEvent[]): string[] {
  const bytes = events.flatMap((event) => (event.kind === 'lines' ? [event.lines.bytes] : []));
  return Buffer.concat(bytes).toString().split('\n').slice(0, -1);
}

export function seqsIn(events: readonly LogEvent[]): number[] {
  return linesIn(events).map((line) => Number(/^\{"seq":(\d+),/.exec(line)?.[1]));
}
