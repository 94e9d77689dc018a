import type { Files } from './files.js';
import { type Layout, parseSegmentName, sessionName } from './layout.js';
import { latestManifest } from './manifest-store.js';
import { quarantineStem } from './quarantine.js';

/** Where a session stands that has nothing under active/ or sealing/. */
export interface StoredHistory {
  /** 0 for a session that nothing is known of. */
  readonly lastSeq: number;
  readonly producers: ReadonlyMap<string, number>;
}

/**
 * Reads it off the session's newest sealed segment, and off the names in quarantine/: the numbers of lines that ended there are
 * used up, too.
 * @param sealing its newest segment that has no manifest yet, if there is one
 * @throws when the newest manifest can't be read: to go on without it could store a retry twice
 */
export async function storedHistory(
  files: Files,
  layout: Layout,
  sessionId: string,
  sealing: StoredHistory | null,
): Promise<StoredHistory> {
  const newest = sealing ?? (await finishedHistory(files, layout, sessionId));
  const lastQuarantined = await lastQuarantinedSeq(files, layout, sessionName(sessionId));
  return { lastSeq: Math.max(newest.lastSeq, lastQuarantined), producers: newest.producers };
}

async function finishedHistory(files: Files, layout: Layout, sessionId: string): Promise<StoredHistory> {
  const manifest = await latestManifest(files, layout, sessionId);
  return { lastSeq: manifest?.last_seq ?? 0, producers: new Map(Object.entries(manifest?.producers ?? {})) };
}

async function lastQuarantinedSeq(files: Files, layout: Layout, name: string): Promise<number> {
  const prefix = `${quarantineStem(name)}_`;
  let last = 0;
  for (const entry of await files.list(layout.quarantine)) {
    const segment = entry.startsWith(prefix) ? parseSegmentName(entry.slice(prefix.length)) : null;
    last = Math.max(last, segment?.lastSeq ?? 0);
  }
  return last;
}
