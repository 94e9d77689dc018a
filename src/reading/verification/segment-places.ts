/** Where a sealed segment's files are at one moment, while a server may be finishing it. */
import { join, posix } from 'node:path';
import { COMPLETION_FILE, pendingCompletionSeq } from '../../segment/completion-record.js';
import type { FileStat, Files } from '../../segment/files.js';
import {
  GZIP_SUFFIX,
  type Layout,
  MANIFEST_SUFFIX,
  parseSegmentName,
  RAW_SUFFIX,
  type SegmentName,
  segmentName,
  TEMPORARY_SUFFIX,
} from '../../segment/layout.js';

export interface PlacedFile {
  /** Relative to LOG_DIR, with `/`. */
  readonly file: string;
  readonly path: string;
  readonly stat: FileStat;
}

export interface SegmentPlaces {
  /** Under sealing/. */
  readonly raw: PlacedFile | null;
  /** Under sessions/, in either form. */
  readonly gzip: PlacedFile | null;
  readonly plain: PlacedFile | null;
  readonly manifest: PlacedFile | null;
}

/**
 * The raw file is looked at first. It goes only when the finished file and its manifest are durable: where it is not there
 * and something of these is not there either, that will not come any more.
 */
export async function segmentPlaces(
  files: Files,
  layout: Layout,
  name: string,
  segment: SegmentName,
): Promise<SegmentPlaces> {
  const stem = segmentName(segment);
  const placed = async (room: 'sealing' | 'sessions', suffix: string): Promise<PlacedFile | null> => {
    const path = join(layout[room], name, stem + suffix);
    const stat = await files.stat(path);
    return stat === null ? null : { file: posix.join(room, name, stem + suffix), path, stat };
  };
  const raw = await placed('sealing', RAW_SUFFIX);
  const manifest = await placed('sessions', MANIFEST_SUFFIX);
  const gzip = await placed('sessions', GZIP_SUFFIX);
  const plain = await placed('sessions', RAW_SUFFIX);
  return { raw, gzip, plain, manifest };
}

export function placedFiles({ raw, gzip, plain, manifest }: SegmentPlaces): PlacedFile[] {
  return [raw, gzip, plain, manifest].filter((placed) => placed !== null);
}

/** Nothing was moved, made, changed or removed in between. */
export function areSamePlaces(one: SegmentPlaces, other: SegmentPlaces): boolean {
  const [before, after] = [placedFiles(one), placedFiles(other)];
  return (
    before.length === after.length &&
    before.every(({ file, stat }, index) => {
      const now = after[index];
      return file === now?.file && stat.bytes === now.stat.bytes && stat.modifiedAtMs === now.stat.modifiedAtMs;
    })
  );
}

export interface SessionListing {
  /** By their names on disk, in the order of their seqs. */
  readonly segments: ReadonlyMap<string, SegmentName>;
  /** Relative to LOG_DIR: files that no logweir has made. */
  readonly foreign: readonly string[];
  /** What has the name of a directory and is neither that nor a file. */
  readonly strange: readonly string[];
}

function isCompletion(room: 'sealing' | 'sessions', fileName: string): boolean {
  return room === 'sealing' ? pendingCompletionSeq(fileName) !== null : fileName === COMPLETION_FILE;
}

/** What has the name of a segment, listed in the direction in which files move: nothing that stays or moves is missed. */
export async function listSegments(files: Files, layout: Layout, name: string): Promise<SessionListing> {
  const found: SegmentName[] = [];
  const foreign: string[] = [];
  const strange: string[] = [];
  const suffixes = { sealing: [RAW_SUFFIX], sessions: [GZIP_SUFFIX, RAW_SUFFIX, MANIFEST_SUFFIX] } as const;
  for (const room of ['sealing', 'sessions'] as const) {
    const directory = await files.stat(join(layout[room], name));
    if (directory !== null && !directory.isDirectory) {
      (directory.isFile ? foreign : strange).push(posix.join(room, name));
      continue;
    }
    for (const fileName of await files.list(join(layout[room], name))) {
      const segment = parseSegmentName(fileName);
      if (segment !== null && suffixes[room].some((suffix) => fileName === segmentName(segment) + suffix)) {
        found.push(segment);
      } else if (!fileName.endsWith(TEMPORARY_SUFFIX) && !isCompletion(room, fileName)) {
        foreign.push(posix.join(room, name, fileName));
      }
    }
  }
  const inOrder = found.toSorted((a, b) => a.firstSeq - b.firstSeq || a.lastSeq - b.lastSeq);
  return { segments: new Map(inOrder.map((segment) => [segmentName(segment), segment])), foreign, strange };
}
