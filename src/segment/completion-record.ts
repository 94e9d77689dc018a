/**
 * How a session ended, on disk: one line of JSON.
 *
 *     sealing/<session>/<last_seq>.completion.json    durable, and its event does not stand in the outbox yet
 *     sessions/<session>/completion.json              announced, or on its way from the outbox; of several the last
 *
 * A session is completed while none of its lines is above the `last_seq` of its last record.
 */
import { join } from 'node:path';
import type { Files } from './files.js';
import { FormatTooNew } from './format-too-new.js';
import { type Layout, padSeq, sessionName } from './layout.js';
import { isNotAFile } from './not-a-file.js';

export const COMPLETION_FORMAT_VERSION = 1;

/** Field by field what stands in the file; never changed once it is written. */
export interface CompletionRecord {
  readonly session_id: string;
  readonly status: string;
  /** Null: the session told none. */
  readonly exit_code: number | null;
  /** The session's last line then. */
  readonly last_seq: number;
  /** RFC 3339, UTC. */
  readonly completed_at: string;
  readonly format_version: typeof COMPLETION_FORMAT_VERSION;
}

/** How a session ended: what CompleteSession was told. */
export interface Completion {
  readonly status: string;
  /** Null: none. */
  readonly exitCode: number | null;
  /** The session's last line then. Lines above it open the session again. */
  readonly lastSeq: number;
}

export function completionOf({ status, exit_code, last_seq }: CompletionRecord): Completion {
  return { status, exitCode: exit_code, lastSeq: last_seq };
}

/** What ended a session whose last line is `lastSeq`; null while it goes on. @param told last of its end */
export function standingAt(lastSeq: number, told: Completion | null): Completion | null {
  return told !== null && lastSeq <= told.lastSeq ? told : null;
}

/** Of a session that was completed without saying how. */
export const COMPLETION_STATUS_DEFAULT = 'completed';
export const COMPLETION_FILE = 'completion.json';
const PENDING_NAME = /^(\d{16})\.completion\.json$/;

/** What has the name of a record does not hold one. */
export class CompletionDamaged extends Error {
  constructor(reason: string) {
    super(`the completion record ${reason}`);
    this.name = 'CompletionDamaged';
  }
}

export function pendingCompletionPath(layout: Layout, { session_id, last_seq }: CompletionRecord): string {
  return join(layout.sealing, sessionName(session_id), `${padSeq(last_seq)}.${COMPLETION_FILE}`);
}

/** @param name the session's name on disk */
export function completionPath(layout: Layout, name: string): string {
  return join(layout.sessions, name, COMPLETION_FILE);
}

/** The last seq that the name of a file under sealing/ says; null when it is no record's name. */
export function pendingCompletionSeq(fileName: string): number | null {
  const [, seq] = PENDING_NAME.exec(fileName) ?? [];
  return seq === undefined ? null : Number(seq);
}

export function encodeCompletion(record: CompletionRecord): Buffer {
  const { session_id, status, exit_code, last_seq, completed_at, format_version } = record;
  return Buffer.from(`${JSON.stringify({ session_id, status, exit_code, last_seq, completed_at, format_version })}\n`);
}

/**
 * @param name the session's name on disk, which the record has to be of
 * @returns null when nothing has that name
 * @throws CompletionDamaged, FormatTooNew, or the error of the disk
 */
export async function readCompletion(files: Files, path: string, name: string): Promise<CompletionRecord | null> {
  let bytes: Buffer;
  try {
    bytes = await files.readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return null;
    }
    if (isNotAFile(error) || code === 'EFBIG') {
      throw new CompletionDamaged('is no file of its size');
    }
    throw error;
  }
  const record = parseCompletion(bytes);
  if (sessionName(record.session_id) !== name) {
    throw new CompletionDamaged('is of another session');
  }
  return record;
}

/**
 * The last record of a session, wherever it is on its way: what a process sees that shares nothing with the server. Damaged ones
 * are left to `verify`.
 * @param name the session's name on disk
 */
export async function newestCompletion(files: Files, layout: Layout, name: string): Promise<CompletionRecord | null> {
  let newest: CompletionRecord | null = null;
  const consider = async (path: string): Promise<void> => {
    const record = await readCompletion(files, path, name).catch((error: unknown) => {
      if (error instanceof CompletionDamaged) {
        return null;
      }
      throw error;
    });
    newest = record !== null && record.last_seq >= (newest?.last_seq ?? 0) ? record : newest;
  };
  // In the direction in which records move, so that none is missed.
  const directory = join(layout.sealing, name);
  for (const fileName of await files.list(directory)) {
    if (pendingCompletionSeq(fileName) !== null) {
      await consider(join(directory, fileName));
    }
  }
  await consider(completionPath(layout, name));
  return newest;
}

/** @throws CompletionDamaged saying which field is wrong, FormatTooNew */
function parseCompletion(bytes: Buffer): CompletionRecord {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new CompletionDamaged('is not JSON');
  }
  if (typeof value !== 'object' || value === null) {
    throw new CompletionDamaged('is no object');
  }
  const record = value as Record<string, unknown>;
  const version = record['format_version'];
  if (typeof version === 'number' && version > COMPLETION_FORMAT_VERSION) {
    throw new FormatTooNew('completion record', version, COMPLETION_FORMAT_VERSION);
  }
  for (const [field, isValid] of FIELDS) {
    if (!isValid(record[field])) {
      throw new CompletionDamaged(`has no valid ${field}`);
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every field was checked above
  return record as unknown as CompletionRecord;
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';

const FIELDS: ReadonlyArray<readonly [string, (value: unknown) => boolean]> = [
  ['session_id', isText],
  ['status', isText],
  ['exit_code', (value) => value === null || Number.isSafeInteger(value)],
  ['last_seq', (value) => Number.isSafeInteger(value) && Number(value) > 0],
  ['completed_at', (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value))],
  ['format_version', (value) => value === COMPLETION_FORMAT_VERSION],
];
