/**
 * The steps from a raw file under sealing/ to a finished segment under sessions/. Each can be run again, in the same
 * process or in the next one, after it stopped at any instruction:
 *
 *     storeSegment    compress to a temporary name → verify → fsync → rename → fsync directory → manifest
 *     recordSegment   outbox record
 *     dropRawFile     unlink the raw file
 *     giveUp          instead of all that: move the raw file to quarantine/
 *
 * *Ordering.* The raw file keeps its name under sealing/ until the finished file, its manifest and the outbox record are
 * durable; start-up, which looks only there, therefore finds every segment whose steps are not all done.
 *
 * *One content.* A manifest on disk wins: a segment is never announced with another content than it was recorded with.
 */
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../segment/clock.js';
import type { Files } from '../segment/files.js';
import { FormatTooNew } from '../segment/format-too-new.js';
import {
  GZIP_SUFFIX,
  type Layout,
  MANIFEST_SUFFIX,
  RAW_SUFFIX,
  sessionDirectory,
  TEMPORARY_SUFFIX,
} from '../segment/layout.js';
import { type Manifest, manifestId, manifestOf } from '../segment/manifest.js';
import { parseManifest, writeManifest } from '../segment/manifest-store.js';
import type { SealedSegment } from '../segment/sealed-segment.js';
import { makeSessionDirectory } from '../segment/session-directory.js';
import type { SessionHistories } from '../segment/session-history.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { Compressor } from './compressor.js';
import type { Outbox } from './outbox.js';
import { rotationRecordName } from './outbox-record.js';
import type { CompressionResult } from './worker-protocol.js';

export interface SealContext {
  readonly layout: Layout;
  readonly files: Files;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly compression: 'gzip' | 'none';
  readonly gzipLevel: number;
  readonly outbox: Outbox | null;
  readonly compressor: Compressor;
  readonly histories: SessionHistories;
}

/**
 * @param previousSha256 of the session's segment before this one; undefined when it has to be looked up on disk.
 * @returns the manifest, and whether it was made now: one that was there says nothing of the segments after it
 * @throws SealingError, or the error of the disk
 */
export async function storeSegment(
  context: SealContext,
  segment: SealedSegment,
  previousSha256: string | null | undefined,
): Promise<{ readonly manifest: Manifest; readonly isNew: boolean }> {
  const { layout, files } = context;
  const directory = sessionDirectory(layout, segment.summary.sessionId);
  const manifestPath = join(directory, segmentOf(segment) + MANIFEST_SUFFIX);
  await makeSessionDirectory(files, directory);
  const stored = await storedManifest(context, segment, manifestPath);
  if (stored !== null) {
    return { manifest: stored, isNew: false };
  }
  // Also when it was there: whoever made it may have died before this.
  await files.syncDirectory(layout.sessions);

  const fileName = segmentOf(segment) + (context.compression === 'gzip' ? GZIP_SUFFIX : RAW_SUFFIX);
  const path = join(directory, fileName);
  await removeUnfinished(files, directory, segmentOf(segment));
  const result = await compress(context, segment, path + TEMPORARY_SUFFIX);
  await files.rename(path + TEMPORARY_SUFFIX, path);
  await files.syncDirectory(directory);

  const previous = previousSha256 === undefined ? await previousOnDisk(context, segment) : previousSha256;
  const manifest = manifestOf(segment, context.compression, result, previous);
  await writeManifest(files, manifestPath, manifest);
  countFinished(context.metrics, manifest);
  return { manifest, isNew: true };
}

/** Without an outbox nobody is to be told. */
export async function recordSegment(context: SealContext, manifest: Manifest): Promise<void> {
  await context.outbox?.add({ type: 'log_rotation', manifest });
}

/** The directory is not synced: a raw file that comes back after a power cut is found to be finished and removed again. */
export async function dropRawFile({ files }: SealContext, segment: SealedSegment): Promise<void> {
  await files.remove(segment.rawPath);
  await files.removeDirectoryIfEmpty(dirname(segment.rawPath));
}

/** The name it has in quarantine/, or null when there was nothing left to move. */
export async function giveUp(context: SealContext, segment: SealedSegment): Promise<string | null> {
  // A thread that died may have left half a file.
  await removeUnfinished(
    context.files,
    sessionDirectory(context.layout, segment.summary.sessionId),
    segmentOf(segment),
  );
  const name = await putAside(context, segment.rawPath);
  await context.files.removeDirectoryIfEmpty(dirname(segment.rawPath));
  return name;
}

export function recordNameOfSegment({ summary }: SealedSegment): ReturnType<typeof rotationRecordName> {
  return rotationRecordName(summary.sessionId, summary.firstSeq, summary.lastSeq);
}

/** `<first_seq>-<last_seq>_<sealed_at>`, off the raw file: it keeps that name through all starts. */
function segmentOf(segment: SealedSegment): string {
  return basename(segment.rawPath, RAW_SUFFIX);
}

/** The manifest that an earlier run made of this segment, if its file is there too. */
async function storedManifest(
  context: SealContext,
  { summary }: SealedSegment,
  manifestPath: string,
): Promise<Manifest | null> {
  const { files, layout, logger } = context;
  if ((await files.stat(manifestPath)) === null) {
    return null;
  }
  const id = manifestId(summary.sessionId, summary.firstSeq, summary.lastSeq);
  const manifest = await readUnlessDamaged(files, manifestPath);
  const finished = manifest?.id === id ? await files.stat(join(layout.root, manifest.path)) : null;
  if (manifest !== null && finished?.bytes === manifest.compressed_bytes) {
    // The run that made it may have ended between the rename and this.
    await files.syncDirectory(dirname(manifestPath));
    return manifest;
  }
  const quarantine = await putAside(context, manifestPath);
  logger.error({ id, quarantine }, 'A manifest is damaged, or its segment is gone; both are made again.');
  return null;
}

async function readUnlessDamaged(files: Files, path: string): Promise<Manifest | null> {
  const content = await files.readFile(path);
  try {
    return parseManifest(content);
  } catch (error) {
    if (error instanceof FormatTooNew) {
      throw error;
    }
    return null;
  }
}

async function putAside({ files, histories, metrics }: SealContext, path: string): Promise<string | null> {
  const stat = await files.stat(path);
  if (stat === null) {
    return null;
  }
  const name = await histories.quarantine.keepFile(path);
  metrics.quarantinedBytes.inc(stat.bytes);
  return name;
}

/** What a crash left between the temporary name and the manifest, in whatever compression was configured then. */
async function removeUnfinished(files: Files, directory: string, segment: string): Promise<void> {
  for (const suffix of [GZIP_SUFFIX, RAW_SUFFIX]) {
    await files.remove(join(directory, segment + suffix + TEMPORARY_SUFFIX));
    await files.remove(join(directory, segment + suffix));
  }
}

async function compress(context: SealContext, segment: SealedSegment, targetPath: string): Promise<CompressionResult> {
  const { clock, metrics, compressor, compression, gzipLevel } = context;
  const { bytes, crc32 } = segment.summary;
  const startedMs = clock.monotonicMs();
  const result = await compressor.run({ compression, gzipLevel, rawPath: segment.rawPath, targetPath, bytes, crc32 });
  metrics.compressionSeconds.observe((clock.monotonicMs() - startedMs) / 1000);
  return result;
}

async function previousOnDisk({ histories }: SealContext, { summary }: SealedSegment): Promise<string | null> {
  return (await histories.newestManifest(summary.sessionId, summary.firstSeq))?.sha256 ?? null;
}

function countFinished(metrics: Metrics, manifest: Manifest): void {
  metrics.compressionInputBytes.inc(manifest.bytes);
  metrics.compressionOutputBytes.inc(manifest.compressed_bytes);
  if (manifest.compression === 'gzip' && manifest.compressed_bytes > 0) {
    metrics.compressionRatio.observe(manifest.bytes / manifest.compressed_bytes);
  }
}
