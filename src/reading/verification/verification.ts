/** Everything under LOG_DIR, or some sessions of it, checked without changing a byte and without a lock. */
import { join, posix } from 'node:path';
import type { Files } from '../../segment/files.js';
import { ACTIVE_SUFFIX, type Layout, sessionName } from '../../segment/layout.js';
import { quarantineStem } from '../../segment/quarantine.js';
import { ReadingError } from '../reading-error.js';
import { sessionNames } from '../session-list.js';
import type { SessionVerdict } from './finding.js';
import type { Watch } from './segment-check.js';
import { SessionCheck } from './session-check.js';

/** The names on disk of what is to be checked. @throws ReadingError UNKNOWN_SESSION for an id that nothing is stored of */
export async function namesToVerify(
  files: Files,
  layout: Layout,
  sessionIds: readonly string[],
): Promise<readonly string[]> {
  const known = await sessionNames(files, layout);
  if (sessionIds.length === 0) {
    return known;
  }
  const names = new Set(known);
  for (const id of sessionIds) {
    if (!names.has(sessionName(id))) {
      throw new ReadingError('UNKNOWN_SESSION', `there is no session ${JSON.stringify(id)}`);
    }
  }
  return [...new Set(sessionIds.map(sessionName))];
}

/** One session after the other. @throws the signal's reason, and the error of a directory that cannot be read */
export async function* verifySessions(
  files: Files,
  layout: Layout,
  names: readonly string[],
  watch: Watch,
): AsyncGenerator<SessionVerdict, void> {
  for (const name of names) {
    watch.signal.throwIfAborted();
    const verdict = await new SessionCheck(files, layout, name, watch).run();
    if (verdict !== null) {
      yield verdict;
    }
  }
}

/** What is about to be read, as far as it is there now: for a progress bar. */
export async function storedBytesOf(files: Files, layout: Layout, names: readonly string[]): Promise<number> {
  let bytes = 0;
  const add = async (path: string) => {
    const stat = await files.stat(path);
    bytes += stat?.isFile === true && !path.endsWith('.json') ? stat.bytes : 0;
  };
  for (const name of names) {
    await add(join(layout.active, name + ACTIVE_SUFFIX));
    for (const room of [layout.sealing, layout.sessions]) {
      const directory = join(room, name);
      const isDirectory = (await files.stat(directory))?.isDirectory === true;
      for (const fileName of isDirectory ? await files.list(directory) : []) {
        await add(join(directory, fileName));
      }
    }
  }
  return bytes;
}

export interface QuarantinedFile {
  /** Relative to LOG_DIR, with `/`. */
  readonly file: string;
  readonly bytes: number;
}

/** @param names only what was kept of these sessions; null for everything */
export async function quarantinedFiles(
  files: Files,
  layout: Layout,
  names: readonly string[] | null,
): Promise<QuarantinedFile[]> {
  const stems = names?.map(quarantineStem);
  const found: QuarantinedFile[] = [];
  for (const fileName of (await files.list(layout.quarantine)).toSorted()) {
    const isAsked = stems?.some((stem) => fileName.startsWith(stem) && /^[._]/.test(fileName.slice(stem.length)));
    if (isAsked !== false) {
      const stat = await files.stat(join(layout.quarantine, fileName));
      found.push({ file: posix.join('quarantine', fileName), bytes: stat?.bytes ?? 0 });
    }
  }
  return found;
}
