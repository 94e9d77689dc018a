/** Which files hold a session's lines behind a cursor: decisions over names, without a disk. */
import { join } from 'node:path';
import { GZIP_SUFFIX, MANIFEST_SUFFIX, parseSegmentName, RAW_SUFFIX } from '../segment/layout.js';

/** A sealed segment's file, as its name tells. */
export interface SegmentFile {
  /** `<first_seq>-<last_seq>_<sealed_at>`: the same for the raw file, the compressed one and the manifest. */
  readonly stem: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly sealedAtMs: number;
  readonly path: string;
  /** Where a finished segment's manifest stands, once it is written. */
  readonly manifestPath: string;
  /** `sealing`: may turn into a finished one, under another path, at any moment. */
  readonly state: 'sealing' | 'finished';
  readonly isGzip: boolean;
}

/** Null for what is no segment: manifests, half-made files, strangers. */
export function segmentFileOf(directory: string, state: SegmentFile['state'], fileName: string): SegmentFile | null {
  const suffix = [GZIP_SUFFIX, RAW_SUFFIX].find((one) => fileName.endsWith(one));
  const name = suffix === undefined ? null : parseSegmentName(fileName);
  if (suffix === undefined || name === null) {
    return null;
  }
  const stem = fileName.slice(0, -suffix.length);
  return {
    ...name,
    stem,
    path: join(directory, fileName),
    manifestPath: join(directory, stem + MANIFEST_SUFFIX),
    state,
    isGzip: suffix === GZIP_SUFFIX,
  };
}

/**
 * The segments to read for every line above `afterSeq`, each once, in the order of their lines. While a segment is being
 * finished it is there twice; the finished file is taken, because the other one is about to go.
 */
export function planSegments(found: readonly SegmentFile[], afterSeq: number): SegmentFile[] {
  const byStem = new Map<string, SegmentFile>();
  for (const segment of found) {
    const known = byStem.get(segment.stem);
    if (segment.lastSeq > afterSeq && (known === undefined || preference(segment) > preference(known))) {
      byStem.set(segment.stem, segment);
    }
  }
  return [...byStem.values()].toSorted((a, b) => a.firstSeq - b.firstSeq || a.lastSeq - b.lastSeq);
}

function preference(segment: SegmentFile): number {
  if (segment.state === 'sealing') {
    return 0;
  }
  return segment.isGzip ? 1 : 2;
}
