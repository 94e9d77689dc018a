/**
 * The files of one session at one moment, while a server may be moving them: active/ → sealing/ → sessions/.
 *
 * Nothing is missed, because the places are looked at in the direction of that movement, and into the active file before
 * anything is listed: all that came before its first line was sealed before the file was made, so the listings that follow
 * see it. What moves meanwhile is seen twice. No descriptor is held: whoever reads the active file later sees by its first
 * line whether it is still the same.
 */
import { join } from 'node:path';
import type { Files } from '../segment/files.js';
import { ACTIVE_SUFFIX, type Layout } from '../segment/layout.js';
import { isNotAFile } from '../segment/not-a-file.js';
import { firstSeqOf, withFile } from './placed-files.js';
import { type SegmentFile, segmentsOf } from './plan.js';
import { isAbsent } from './reading-error.js';

export interface ActiveFile {
  readonly path: string;
  /** Of its first line; null when no stored line begins there, as in one that was just made. */
  readonly firstSeq: number | null;
  /** As it was then. */
  readonly bytes: number;
}

export interface Snapshot {
  /** Every sealed segment; one that is being finished may be there twice. */
  readonly sealed: readonly SegmentFile[];
  /** Those that are nowhere any more, but for their manifests. */
  readonly removed: readonly SegmentFile[];
  readonly active: ActiveFile | null;
}

/**
 * @param name the session's name on disk (`sessionName` of its id)
 * @returns null when there is no file of that session
 */
export async function takeSnapshot(files: Files, layout: Layout, name: string): Promise<Snapshot | null> {
  const active = await activeFile(files, join(layout.active, name + ACTIVE_SUFFIX));
  const sealingDirectory = join(layout.sealing, name);
  const sealing = segmentsOf(sealingDirectory, 'sealing', await namesIn(files, sealingDirectory));
  const finishedDirectory = join(layout.sessions, name);
  const finished = segmentsOf(finishedDirectory, 'finished', await namesIn(files, finishedDirectory));
  const sealed = [...sealing, ...finished].filter(({ state }) => state !== 'removed');
  const stems = new Set(sealed.map(({ stem }) => stem));
  const removed = finished.filter(({ state, stem }) => state === 'removed' && !stems.has(stem));
  return active === null && sealed.length === 0 && removed.length === 0 ? null : { sealed, removed, active };
}

/** What is no directory is nobody's session. */
export async function namesIn(files: Files, directory: string): Promise<string[]> {
  try {
    return await files.list(directory);
  } catch (error) {
    if (isNotAFile(error)) {
      return [];
    }
    throw error;
  }
}

/** What is no file is nobody's session: recovery leaves it alone, too, and one of them must not hide all others. */
async function activeFile(files: Files, path: string): Promise<ActiveFile | null> {
  try {
    return await withFile(files, path, async (file) => {
      // In this order: what the size counts is there.
      const bytes = await file.size();
      return { path, firstSeq: await firstSeqOf(file), bytes };
    });
  } catch (error) {
    if (isAbsent(error) || isNotAFile(error)) {
      return null;
    }
    throw error;
  }
}
