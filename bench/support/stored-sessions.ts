/**
 * What lies in a LOG_DIR, read by the layout that the design promises (DESIGN §6) and by nothing of src/: a mistake
 * there must not hide itself here.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** A session's id, as long as it needs no encoding, and its lines, segment after segment. */
export interface StoredSession {
  readonly id: string;
  readonly segments: readonly (() => Buffer)[];
}

const SEGMENT = /^(\d{16}-\d{16}_\d{8}T\d{6}Z)\.log(\.gz)?$/;
const ACTIVE_SUFFIX = '.logtmp';
const PLAIN_SUFFIX = '.ndjson';

/** Finished segments, those being sealed, and the active one. */
export function logweirSessions(logDir: string): StoredSession[] {
  const finished = entries(join(logDir, 'sessions'));
  const sealing = entries(join(logDir, 'sealing'));
  const active = new Set(entries(join(logDir, 'active')).filter((name) => name.endsWith(ACTIVE_SUFFIX)));
  const ids = new Set([...finished, ...sealing, ...Array.from(active, (name) => name.slice(0, -ACTIVE_SUFFIX.length))]);
  return Array.from(ids, (id) => {
    const segments = sealedSegments(logDir, id);
    if (active.has(id + ACTIVE_SUFFIX)) {
      segments.push(() => readFileSync(join(logDir, 'active', id + ACTIVE_SUFFIX)));
    }
    return { id, segments };
  });
}

/** How many sessions have a segment that is being written. */
export function activeSessions(logDir: string): number {
  return entries(join(logDir, 'active')).filter((name) => name.endsWith(ACTIVE_SUFFIX)).length;
}

/** Whether segments are still on their way from active/ to sessions/. */
export function isSealing(logDir: string): boolean {
  return entries(join(logDir, 'sealing')).some((id) => entries(join(logDir, 'sealing', id)).length > 0);
}

/** One file per session, as the straightforward server writes them. */
export function plainSessions(logDir: string): StoredSession[] {
  return entries(logDir)
    .filter((name) => name.endsWith(PLAIN_SUFFIX))
    .map((name) => {
      return { id: name.slice(0, -PLAIN_SUFFIX.length), segments: [() => readFileSync(join(logDir, name))] };
    });
}

function sealedSegments(logDir: string, id: string): (() => Buffer)[] {
  const byName = new Map<string, () => Buffer>();
  // A segment that is being sealed may lie in both; the finished one counts.
  for (const room of ['sealing', 'sessions']) {
    const directory = join(logDir, room, id);
    for (const name of entries(directory)) {
      const match = SEGMENT.exec(name);
      if (match?.[1] !== undefined) {
        const path = join(directory, name);
        byName.set(match[1], match[2] === undefined ? () => readFileSync(path) : () => gunzipSync(readFileSync(path)));
      }
    }
  }
  const inOrder = [...byName].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return inOrder.map(([, read]) => read);
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
