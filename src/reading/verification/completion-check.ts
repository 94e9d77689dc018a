/** How a session ended, as its records say it, while a server may be moving them. */
import { join, posix } from 'node:path';
import {
  COMPLETION_FILE,
  CompletionDamaged,
  pendingCompletionSeq,
  readCompletion,
} from '../../segment/completion-record.js';
import type { Files } from '../../segment/files.js';
import { FormatTooNew } from '../../segment/format-too-new.js';
import type { Layout } from '../../segment/layout.js';
import { isAbsent } from '../reading-error.js';
import type { CompletenessFinding, IntegrityFinding } from './finding.js';

export interface CompletionVerdict {
  readonly integrity: readonly IntegrityFinding[];
  /** The one that reaches furthest; null when there is none that can be read. */
  readonly furthest: { readonly file: string; readonly lastSeq: number } | null;
  readonly isAny: boolean;
}

/**
 * To be asked before the session's segments are listed: all lines up to a record's last seq are sealed before it is made.
 * @param name the session's name on disk
 */
export async function checkCompletions(files: Files, layout: Layout, name: string): Promise<CompletionVerdict> {
  const integrity: IntegrityFinding[] = [];
  const records: { readonly file: string; readonly lastSeq: number }[] = [];
  const places = await completionPlaces(files, layout, name);
  for (const { file, path, namedSeq } of places) {
    const found = await recordAt(files, path, name, namedSeq);
    if (typeof found === 'number') {
      records.push({ file, lastSeq: found });
    } else if (found !== null) {
      integrity.push({ file, ...found, field: null, expected: null, found: null });
    }
  }
  const [furthest = null] = records.toSorted((a, b) => b.lastSeq - a.lastSeq);
  return { integrity, furthest, isAny: places.length > 0 };
}

/** @param lastSeq up to which there are lines, or files in quarantine/ that tell of themselves */
export function missingBefore({ furthest }: CompletionVerdict, lastSeq: number): CompletenessFinding[] {
  if (furthest === null || furthest.lastSeq <= lastSeq) {
    return [];
  }
  const message = `says that the session was completed at seq ${furthest.lastSeq}, but its lines end at ${lastSeq}`;
  return [
    {
      ...{ file: furthest.file, problem: 'data_missing', field: 'last_seq', message },
      ...{ expected: furthest.lastSeq, found: lastSeq },
    },
  ];
}

interface Place {
  readonly file: string;
  readonly path: string;
  /** The seq that the name says; null when it says none. */
  readonly namedSeq: number | null;
}

/** In the direction in which records move, so that none is missed. */
async function completionPlaces(files: Files, layout: Layout, name: string): Promise<Place[]> {
  const places: Place[] = [];
  const directory = join(layout.sealing, name);
  const isDirectory = (await files.stat(directory))?.isDirectory === true;
  for (const fileName of isDirectory ? await files.list(directory) : []) {
    const namedSeq = pendingCompletionSeq(fileName);
    if (namedSeq !== null) {
      places.push({ file: posix.join('sealing', name, fileName), path: join(directory, fileName), namedSeq });
    }
  }
  const path = join(layout.sessions, name, COMPLETION_FILE);
  const isThere =
    (await files.stat(join(layout.sessions, name)))?.isDirectory === true && (await files.stat(path)) !== null;
  return isThere ? [...places, { file: posix.join('sessions', name, COMPLETION_FILE), path, namedSeq: null }] : places;
}

/** Its last seq, or what is wrong with it; null when it has moved on. */
async function recordAt(
  files: Files,
  path: string,
  name: string,
  namedSeq: number | null,
): Promise<number | Pick<IntegrityFinding, 'problem' | 'message'> | null> {
  try {
    const stat = await files.stat(path);
    if (stat !== null && !stat.isFile) {
      return { problem: 'not_a_file', message: 'is no regular file' };
    }
    const record = await readCompletion(files, path, name);
    if (record !== null && namedSeq !== null && record.last_seq !== namedSeq) {
      return { problem: 'completion_invalid', message: `is a completion at seq ${record.last_seq}` };
    }
    return record?.last_seq ?? null;
  } catch (error) {
    if (error instanceof CompletionDamaged || error instanceof FormatTooNew) {
      return { problem: 'completion_invalid', message: `cannot be used: ${error.message}` };
    }
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (isAbsent(error)) {
      return null;
    }
    if (code === undefined || syscall === undefined) {
      throw error;
    }
    return { problem: 'unreadable', message: `cannot be read: ${code}` };
  }
}
