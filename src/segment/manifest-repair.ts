/**
 * A manifest made again from its segment's finished file: everything in it but `reason` (now `recovery`) and the marks of
 * producers that this file does not know stands there; those marks come from the manifest before it.
 */
import { createHash } from 'node:crypto';
import type { Files, OpenFile } from './files.js';
import { GzipSource } from './gzip-source.js';
import { type SegmentName, sessionName } from './layout.js';
import { lineSeq } from './line.js';
import { type FinishedContent, type Manifest, manifestOf } from './manifest.js';
import { mergedMarks } from './producer-marks.js';
import { type SegmentSource, scanSegment } from './segment-scan.js';

const READ_BYTES = 1 << 20;
/** `{"seq":` and 16 digits and a comma. */
const SEQ_BYTES = 24;

/**
 * @param path of the finished file
 * @param previous the manifest before it
 * @returns null when the file is not, byte for byte, lines of this session from first_seq to last_seq
 * @throws the error of the disk
 */
export async function rebuildManifest(
  files: Files,
  path: string,
  compression: 'gzip' | 'none',
  sessionId: string,
  name: SegmentName,
  previous: Manifest | null,
): Promise<Manifest | null> {
  const file = await files.open(path, 'read');
  try {
    const finished = await (compression === 'gzip' ? gzipContent(file) : plainContent(file));
    if (finished === null) {
      return null;
    }
    const { summary, damage } = await scanSegment(finished.source, sessionName(sessionId));
    const isWhole =
      damage === null &&
      summary?.sessionId === sessionId &&
      summary.firstSeq === name.firstSeq &&
      summary.lastSeq === name.lastSeq;
    if (!isWhole) {
      return null;
    }
    const producers = mergedMarks(new Map(Object.entries(previous?.producers ?? {})), summary.producers);
    const segment = { summary: { ...summary, producers }, sealedAtMs: name.sealedAtMs, reason: 'recovery' } as const;
    return manifestOf(segment, compression, finished.content, previous?.sha256 ?? null);
  } finally {
    await file.close();
  }
}

interface Finished {
  readonly source: SegmentSource;
  readonly content: FinishedContent;
}

async function gzipContent(file: OpenFile): Promise<Finished | null> {
  const source = await GzipSource.open(file);
  if (source === null) {
    return null;
  }
  const start = Buffer.alloc(SEQ_BYTES);
  const members = [];
  for (const { rawOffset, compressedOffset } of source.members) {
    await source.read(start, 0, SEQ_BYTES, rawOffset);
    members.push({ first_seq: lineSeq(start, 0), raw_offset: rawOffset, compressed_offset: compressedOffset });
  }
  return { source, content: { sha256: source.sha256, compressedBytes: await file.size(), members } };
}

async function plainContent(file: OpenFile): Promise<Finished> {
  const sha256 = createHash('sha256');
  const chunk = Buffer.allocUnsafeSlow(READ_BYTES);
  let position = 0;
  for (let read = -1; read !== 0; position += read) {
    read = await file.read(chunk, 0, READ_BYTES, position);
    sha256.update(chunk.subarray(0, read));
  }
  return { source: file, content: { sha256: sha256.digest('hex'), compressedBytes: position, members: [] } };
}
