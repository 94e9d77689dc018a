/**
 * The files of one session at one moment, while a server may be moving them: active/ → sealing/ → sessions/.
 *
 * Nothing is missed, because the places are looked at in the direction of that movement, and the active file is opened
 * before anything is listed: the descriptor stays with its lines wherever the file is renamed to, and all that came before
 * those lines was sealed before the file was made, so the listings that follow see it. What moves meanwhile is seen twice.
 */
import { join } from 'node:path';
import type { Files, OpenFile } from '../segment/files.js';
import { ACTIVE_SUFFIX, type Layout } from '../segment/layout.js';
import { type SegmentFile, segmentFileOf } from './plan.js';
import { isAbsent } from './reading-error.js';

export interface Snapshot {
  /** Every sealed segment; one that is being finished may be there twice. */
  readonly sealed: readonly SegmentFile[];
  /** Open until `close`. */
  readonly active: OpenFile | null;
  close(): Promise<void>;
}

/**
 * @param name the session's name on disk (`sessionName` of its id)
 * @returns null when there is no file of that session
 */
export async function openSnapshot(files: Files, layout: Layout, name: string): Promise<Snapshot | null> {
  const active = await openUnlessAbsent(files, join(layout.active, name + ACTIVE_SUFFIX));
  const close = async () => {
    await active?.close();
  };
  try {
    const sealing = await segmentsIn(files, join(layout.sealing, name), 'sealing');
    const finished = await segmentsIn(files, join(layout.sessions, name), 'finished');
    const sealed = [...sealing, ...finished];
    return active === null && sealed.length === 0 ? null : { sealed, active, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A link is nobody's session: recovery leaves it alone, too, and one of them must not hide all others. */
async function openUnlessAbsent(files: Files, path: string): Promise<OpenFile | null> {
  try {
    return await files.open(path, 'read');
  } catch (error) {
    if (isAbsent(error) || (error as NodeJS.ErrnoException).code === 'ELOOP') {
      return null;
    }
    throw error;
  }
}

async function segmentsIn(files: Files, directory: string, state: SegmentFile['state']): Promise<SegmentFile[]> {
  const names = await files.list(directory);
  return names.map((name) => segmentFileOf(directory, state, name)).filter((segment) => segment !== null);
}
