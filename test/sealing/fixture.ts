import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { crc32 } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { Outbox } from '../../src/sealing/outbox.js';
import { type SealingOptions, SealingPipeline } from '../../src/sealing/sealing-pipeline.js';
import { type Clock, systemClock } from '../../src/segment/clock.js';
import type { Files } from '../../src/segment/files.js';
import { type Layout, layoutOf, parseSegmentName, sealingDirectory, segmentName } from '../../src/segment/layout.js';
import { type Manifest } from '../../src/segment/manifest.js';
import { nodeFiles } from '../../src/segment/node-files.js';
import { Quarantine } from '../../src/segment/quarantine.js';
import type { SealedSegment, SealReason } from '../../src/segment/sealed-segment.js';
import { SessionHistories } from '../../src/segment/session-history.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { Metrics } from '../../src/telemetry/metrics.js';

export const SEALED_AT_MS = Date.UTC(2026, 10, 21, 10, 0, 0);

/** Waits shortened, so that a backoff of seconds does not make a slow test. */
export const hastyClock: Clock = {
  ...systemClock,
  after: (delayMs, run) => systemClock.after(delayMs / 20, run),
};

/** Where only processes die and never the machine, a disk in memory will do, and its fsync takes no time. */
const MEMORY_DISK = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** An empty LOG_DIR, removed after the test. */
export function logDirectory(disk: 'real' | 'memory' = 'real'): Layout {
  const root = mkdtempSync(join(disk === 'real' ? tmpdir() : MEMORY_DISK, 'logweir-sealing-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const layout = layoutOf(root);
  for (const directory of [layout.active, layout.sealing, layout.sessions, layout.outbox, layout.quarantine]) {
    mkdirSync(directory);
  }
  return layout;
}

export interface LoggedLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

export function recordingLogger(): Logger & { readonly lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...fields } });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') };
}

export interface Rig {
  readonly layout: Layout;
  readonly outbox: Outbox;
  readonly pipeline: SealingPipeline;
  readonly metrics: Metrics;
  readonly logger: ReturnType<typeof recordingLogger>;
}

/** An opened outbox and a pipeline over it; the pipeline is closed after the test. */
export async function startSealing(layout: Layout, overrides: Partial<SealingOptions> = {}): Promise<Rig> {
  const files: Files = overrides.files ?? nodeFiles;
  const metrics = overrides.metrics ?? new Metrics({ version: 'test' });
  const logger = recordingLogger();
  const outbox = new Outbox({ layout, files, clock: hastyClock, logger, metrics });
  await outbox.open();
  const pipeline = new SealingPipeline({
    layout,
    files,
    clock: hastyClock,
    logger,
    metrics,
    compression: 'gzip',
    gzipLevel: 6,
    workers: 1,
    outbox,
    histories: new SessionHistories({
      files,
      layout,
      quarantine: new Quarantine(files, layout),
      report: () => undefined,
    }),
    ...overrides,
  });
  onTestFinished(() => pipeline.close());
  return { layout, outbox, pipeline, metrics, logger };
}

export function line(sessionId: string, seq: number, content = `content of line ${seq}`): string {
  return `${JSON.stringify({ seq, time: timeOf(seq), session_id: sessionId, content })}\n`;
}

export function timeOf(seq: number): string {
  return new Date(SEALED_AT_MS + seq * 1000).toISOString();
}

export interface SegmentOptions {
  readonly sessionId?: string;
  readonly firstSeq?: number;
  readonly lines?: number;
  readonly content?: (seq: number) => string;
  readonly reason?: SealReason;
  readonly producers?: ReadonlyMap<string, number>;
}

/** A raw file under sealing/, as the session room leaves it, and what that room says of it. */
export function sealRaw(layout: Layout, options: SegmentOptions = {}): SealedSegment {
  const { sessionId = 'build-42', firstSeq = 1, lines = 5, content, reason = 'size', producers } = options;
  const seqs = Array.from({ length: lines }, (_, index) => firstSeq + index);
  const raw = Buffer.from(seqs.map((seq) => line(sessionId, seq, content?.(seq))).join(''));
  const lastSeq = firstSeq + lines - 1;
  const directory = sealingDirectory(layout, sessionId);
  mkdirSync(directory, { recursive: true });
  const rawPath = join(directory, `${segmentName({ firstSeq, lastSeq, sealedAtMs: SEALED_AT_MS })}.log`);
  writeFileSync(rawPath, raw);
  return describeRaw(rawPath, sessionId, reason, producers);
}

/** The raw files that a crash left, as recovery describes them: in seq order, rebuilt from their lines. */
export function recoverRaw(layout: Layout, sessionId: string): SealedSegment[] {
  const directory = sealingDirectory(layout, sessionId);
  return filesUnder(directory)
    .toSorted()
    .map((name) => describeRaw(join(directory, name), sessionId, 'recovery', undefined));
}

function describeRaw(
  rawPath: string,
  sessionId: string,
  reason: SealReason,
  producers: ReadonlyMap<string, number> = new Map(),
): SealedSegment {
  const raw = readFileSync(rawPath);
  const name = parseSegmentName(rawPath.slice(rawPath.lastIndexOf('/') + 1));
  if (name === null) {
    throw new Error(`${rawPath} is no segment`);
  }
  return {
    rawPath,
    reason,
    sealedAtMs: name.sealedAtMs,
    summary: {
      sessionId,
      firstSeq: name.firstSeq,
      lastSeq: name.lastSeq,
      frames: name.lastSeq - name.firstSeq + 1,
      firstTime: timeOf(name.firstSeq),
      lastTime: timeOf(name.lastSeq),
      bytes: raw.length,
      crc32: crc32(raw),
      producers,
    },
  };
}

/** Relative paths of all files under a directory, sorted; an absent one has none. */
export function filesUnder(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
      .toSorted();
  } catch {
    return [];
  }
}

export function nth<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) {
    throw new Error(`there are ${list.length}, none at ${index}`);
  }
  return item;
}

export function isAbsent(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) === undefined;
}

export function manifestsOf(layout: Layout): Manifest[] {
  return filesUnder(layout.sessions)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(layout.sessions, name), 'utf8')));
}

export function recordsOf(layout: Layout): Array<{ type: string; content: Manifest & { event_id: string } }> {
  const names = filesUnder(layout.outbox).filter((name) => name.endsWith('.json'));
  return names.map((name) => JSON.parse(readFileSync(join(layout.outbox, name), 'utf8')));
}

export async function until(condition: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(`not so within ${withinMs} ms: ${condition.toString()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
