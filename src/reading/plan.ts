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
  /** Whether it stood there when the directory was listed. */
  readonly hasManifest: boolean;
  /** `sealing`: may turn into a finished one, under another path, at any moment. `removed`: its manifest is all that is left. */
  readonly state: 'sealing' | 'finished' | 'removed';
  readonly isGzip: boolean;
}

/** Every segment that the names of a directory tell of. Half-made files and strangers are passed over. */
export function segmentsOf(
  directory: string,
  state: 'sealing' | 'finished',
  fileNames: readonly string[],
): SegmentFile[] {
  const names = new Set(fileNames);
  const found: SegmentFile[] = [];
  for (const fileName of fileNames) {
    const suffix = [GZIP_SUFFIX, RAW_SUFFIX, MANIFEST_SUFFIX].find((one) => fileName.endsWith(one));
    const name = suffix === undefined ? null : parseSegmentName(fileName);
    if (suffix === undefined || name === null) {
      continue;
    }
    const stem = fileName.slice(0, -suffix.length);
    const isManifest = suffix === MANIFEST_SUFFIX;
    if (isManifest && (names.has(stem + GZIP_SUFFIX) || names.has(stem + RAW_SUFFIX))) {
      continue;
    }
    found.push({
      ...name,
      stem,
      path: join(directory, fileName),
      manifestPath: join(directory, stem + MANIFEST_SUFFIX),
      hasManifest: names.has(stem + MANIFEST_SUFFIX),
      state: isManifest ? 'removed' : state,
      isGzip: suffix === GZIP_SUFFIX,
    });
  }
  return found;
}

/**
 * The segments for every line above `afterSeq`, each once, in the order of their lines. While a segment is being finished it is
 * there twice; the finished file is taken, because the other one is about to go, but not before it has the manifest that says
 * where it can be entered.
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
  switch (segment.state) {
    case 'removed':
      return 0;
    case 'sealing':
      return 2;
    case 'finished':
      return segment.isGzip ? (segment.hasManifest ? 3 : 1) : 4;
  }
}

/** The next segments of a session to read, removed ones included. */
export interface ReadingPlan {
  /** The newest one with nothing above the cursor. */
  readonly before: SegmentFile | null;
  readonly segments: readonly SegmentFile[];
  /** Whether these are all. */
  readonly isWhole: boolean;
}

/** @param segmentsMax how many at most: a session may have many thousands, and a thousand readers */
export function planReading(found: readonly SegmentFile[], afterSeq: number, segmentsMax: number): ReadingPlan {
  const all = planSegments(found, 0);
  const first = all.findIndex((segment) => segment.lastSeq > afterSeq);
  const from = first === -1 ? all.length : first;
  const segments = all.slice(from, from + segmentsMax);
  return { before: all[from - 1] ?? null, segments, isWhole: from + segments.length === all.length };
}
