/**
 * Names of everything under LOG_DIR: pure functions of values, so that a session id never becomes a path by itself.
 *
 *     LOCK…                                        one server per directory
 *     active/<session>.logtmp                      the segment being written
 *     sealing/<session>/<segment>.log              sealed, its steps not all done
 *     sessions/<session>/<segment>.log[.gz]        finished
 *     sessions/<session>/<segment>.json            its manifest
 *     outbox/<event>.json                          not announced yet
 *     quarantine/                                  bytes that recovery would not vouch for
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';

export const ACTIVE_SUFFIX = '.logtmp';
export const RAW_SUFFIX = '.log';
export const GZIP_SUFFIX = '.log.gz';
export const MANIFEST_SUFFIX = '.json';
/** Half-made files carry it; whoever finds one after a crash may remove it. */
export const TEMPORARY_SUFFIX = '.tmp';

const SESSION_NAME_BYTES_MAX = 200;
const HASHED_PREFIX_BYTES = 150;
const SEQ_DIGITS = 16;

export interface Layout {
  readonly root: string;
  readonly active: string;
  readonly sealing: string;
  readonly sessions: string;
  readonly outbox: string;
  readonly quarantine: string;
}

export function layoutOf(root: string): Layout {
  return {
    root,
    active: join(root, 'active'),
    sealing: join(root, 'sealing'),
    sessions: join(root, 'sessions'),
    outbox: join(root, 'outbox'),
    quarantine: join(root, 'quarantine'),
  };
}

/**
 * The file-system name of a session: its id percent-encoded outside `[A-Za-z0-9_-.]` (and a leading dot); when that
 * would pass 200 bytes, a readable prefix, `~` (which no encoded id holds) and 32 hex digits of the id's SHA-256.
 */
export function sessionName(sessionId: string): string {
  const encoded = percentEncode(sessionId);
  if (encoded.length <= SESSION_NAME_BYTES_MAX) {
    return encoded;
  }
  // Never cut through a %XX: the prefix must stay readable by anything that decodes it.
  const prefix = encoded.slice(0, HASHED_PREFIX_BYTES).replace(/%[0-9A-F]?$/, '');
  return `${prefix}~${createHash('sha256').update(sessionId).digest('hex').slice(0, 32)}`;
}

/** The session id of a name, or null for a hashed name (the id then stands in the session's lines and manifests). */
export function sessionIdOfName(name: string): string | null {
  if (name.includes('~')) {
    return null;
  }
  try {
    return decodeURIComponent(name);
  } catch {
    return null;
  }
}

function percentEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const char = String.fromCharCode(byte);
    const plain = /[A-Za-z0-9_.-]/.test(char) && !(char === '.' && encoded === '');
    encoded += plain ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

export interface SegmentName {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Unix milliseconds, whole seconds. */
  readonly sealedAtMs: number;
}

/** `<first_seq>-<last_seq>_<sealed_at>`: seqs of 16 digits, time as 20261121T100000Z, so that names sort by seq. */
export function segmentName(name: SegmentName): string {
  return `${padSeq(name.firstSeq)}-${padSeq(name.lastSeq)}_${compactTime(name.sealedAtMs)}`;
}

const SEGMENT_NAME = /^(\d{16})-(\d{16})_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/;

/** Reads a segment's name off a file name, whatever its suffix; null when it is none. */
export function parseSegmentName(fileName: string): SegmentName | null {
  const match = SEGMENT_NAME.exec(fileName);
  if (match === null) {
    return null;
  }
  const [, first, last, year, month, day, hour, minute, second] = match;
  const sealedAtMs = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  return { firstSeq: Number(first), lastSeq: Number(last), sealedAtMs };
}

export function padSeq(seq: number): string {
  return String(seq).padStart(SEQ_DIGITS, '0');
}

function compactTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '');
}

export function activePath(layout: Layout, sessionId: string): string {
  return join(layout.active, sessionName(sessionId) + ACTIVE_SUFFIX);
}

export function sealingDirectory(layout: Layout, sessionId: string): string {
  return join(layout.sealing, sessionName(sessionId));
}

export function sessionDirectory(layout: Layout, sessionId: string): string {
  return join(layout.sessions, sessionName(sessionId));
}

export function sealingPath(layout: Layout, sessionId: string, name: SegmentName): string {
  return join(sealingDirectory(layout, sessionId), segmentName(name) + RAW_SUFFIX);
}
