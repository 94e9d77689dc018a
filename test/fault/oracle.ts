import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { storedText } from '../support/stored.js';
import { lineOf, type Source, type ToldCompletion } from './agent.js';

/** What somebody heard on Redis. */
export interface Announced {
  readonly eventId: string;
  readonly content: {
    readonly sha256?: string;
    readonly status?: string;
    readonly exit_code?: number;
    readonly last_seq?: number;
  };
}

/**
 * The oracle of every fault test (docs/reliability.md): the agent's journal against everything under LOG_DIR, read without the
 * code under test. Nothing may be on its way any more: sealing/ and outbox/ are empty.
 *
 * @param announced null where nobody listens
 * @returns sentences about what is wrong; none when all holds
 */
export async function objections(
  logDir: string,
  {
    sources,
    completions = [],
  }: { readonly sources: readonly Source[]; readonly completions?: readonly ToldCompletion[] },
  announced: readonly Announced[] | null,
): Promise<string[]> {
  const found = entriesUnder(logDir, 'sealing', 'outbox').map((name) => `${name} is still on its way`);
  const finished: Finished[] = [];
  for (const sessionId of new Set(sources.map((from) => from.sessionId))) {
    const own = sources.filter((from) => from.sessionId === sessionId);
    try {
      found.push(...linesOf(sessionId, own, await storedText(logDir, sessionId)));
      const segments = finishedSegments(logDir, sessionId);
      found.push(...chainOf(sessionId, segments));
      finished.push(...segments);
    } catch (error) {
      found.push(`${sessionId}: can't be read: ${String(error)}`);
    }
  }
  found.push(...strayLines(logDir, sources));
  if (announced !== null) {
    found.push(...announcements(finished, announced));
    found.push(...announcedCompletions(logDir, finished, completions, announced));
  }
  return found;
}

/** acknowledged ⊆ stored, each frame once and in its source's order, seq rising, and not a byte that was not sent. */
function linesOf(sessionId: string, sources: readonly Source[], text: string): string[] {
  const found: string[] = [];
  const lines = text.split('\n');
  if (lines.pop() !== '') {
    found.push(`${sessionId}: the last line is torn`);
  }
  const last = new Map<Source, number>();
  let lastSeq = 0;
  for (const [index, line] of lines.entries()) {
    const origin = originOf(sources, line);
    if (origin === null) {
      found.push(`${sessionId}: line ${index + 1} is nothing that was sent: ${JSON.stringify(line.slice(0, 100))}`);
      continue;
    }
    const { from, n, seq } = origin;
    if (seq <= lastSeq) {
      found.push(`${sessionId}: seq ${seq} comes after ${lastSeq}`);
    }
    if (n <= (last.get(from) ?? 0)) {
      found.push(`${sessionId}: frame ${n} of ${nameOf(from)} is stored twice or out of order`);
    }
    for (let missing = (last.get(from) ?? 0) + 1; missing < n; missing++) {
      found.push(`${sessionId}: frame ${missing} of ${nameOf(from)} is missing before ${n}`);
    }
    lastSeq = Math.max(lastSeq, seq);
    last.set(from, Math.max(last.get(from) ?? 0, n));
  }
  for (const from of sources) {
    for (let n = (last.get(from) ?? 0) + 1; n <= from.acknowledged; n++) {
      found.push(`${sessionId}: frame ${n} of ${nameOf(from)} was acknowledged and is not stored`);
    }
  }
  return found;
}

function nameOf(from: Source): string {
  return from.producerId ?? 'the agent that numbers';
}

/** Which frame a line is; null when no source sent one that is stored as exactly these bytes. */
function originOf(sources: readonly Source[], line: string): { from: Source; n: number; seq: number } | null {
  let value: { seq?: number; producer_id?: string; producer_seq?: number };
  try {
    value = JSON.parse(line) as typeof value;
  } catch {
    return null;
  }
  const from = sources.find(({ producerId }) => producerId === (value.producer_id ?? null));
  const seq = value.seq ?? 0;
  const n = from?.producerId === null ? seq : (value.producer_seq ?? 0);
  return from !== undefined && n >= 1 && n <= from.sent && line === lineOf(from, n, seq) ? { from, n, seq } : null;
}

interface Manifest {
  readonly id: string;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly frames: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly prev_sha256: string | null;
  readonly compressed_bytes: number;
  readonly path: string;
}

interface Finished {
  readonly manifest: Manifest;
  readonly text: Buffer;
  readonly compressedBytes: number;
}

/** In seq order. Throws when a manifest has no file, or a file no manifest. */
function finishedSegments(logDir: string, sessionId: string): Finished[] {
  const directory = join(logDir, 'sessions', sessionId);
  const names = existsSync(directory) ? readdirSync(directory).toSorted() : [];
  const segments = names
    .filter((name) => name.endsWith('Z.json'))
    .map((name) => {
      const manifest = JSON.parse(readFileSync(join(directory, name), 'utf8')) as Manifest;
      const compressed = readFileSync(join(logDir, manifest.path));
      const text = manifest.path.endsWith('.gz') ? gunzipSync(compressed) : compressed;
      return { manifest, text, compressedBytes: compressed.length };
    });
  const known = new Set(segments.map(({ manifest }) => basename(manifest.path)));
  const orphan = names.find((name) => /\.log(\.gz)?$/.test(name) && !known.has(name));
  if (orphan !== undefined) {
    throw new Error(`${orphan} has no manifest`);
  }
  return segments;
}

/** Each manifest says what is in its file, and names the one before it. */
function chainOf(sessionId: string, segments: readonly Finished[]): string[] {
  const found: string[] = [];
  let previous: Manifest | null = null;
  for (const { manifest, text, compressedBytes } of segments) {
    const seqs = text
      .toString('utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => Number(/^\{"seq":(\d+),/.exec(line)?.[1]));
    const says = [manifest.id, manifest.frames, manifest.bytes, manifest.sha256, manifest.compressed_bytes];
    const sha256 = createHash('sha256').update(text).digest('hex');
    const holds = [`${sessionId}/${seqs[0]}-${seqs.at(-1)}`, seqs.length, text.length, sha256, compressedBytes];
    if (says.join() !== holds.join()) {
      found.push(`${sessionId}: a manifest says ${says.join()}, its file holds ${holds.join()}`);
    }
    if (manifest.prev_sha256 !== (previous?.sha256 ?? null)) {
      found.push(`${sessionId}: the chain is broken before ${manifest.id}`);
    }
    if (previous !== null && manifest.first_seq <= previous.last_seq) {
      found.push(`${sessionId}: ${manifest.id} overlaps ${previous.id}`);
    }
    previous = manifest;
  }
  return found;
}

/** Whole lines in quarantine/ were sent by somebody, too. Whether they are stored is said by what is not there. */
function strayLines(logDir: string, sources: readonly Source[]): string[] {
  return readdirSync(join(logDir, 'quarantine'))
    .filter((name) => !name.endsWith('.json'))
    .flatMap((name) => {
      const lines = readFileSync(join(logDir, 'quarantine', name), 'utf8')
        .split('\n')
        .slice(0, -1);
      const own = sources.filter(({ sessionId }) => name.startsWith(sessionId));
      return lines
        .filter((line) => line.startsWith('{"seq":') && line.endsWith('}') && originOf(own, line) === null)
        .map((line) => `quarantine/${name}: a line is nothing that was sent: ${JSON.stringify(line.slice(0, 100))}`);
    });
}

/** Each finished segment under its one id, with the content that it has; and nothing else. */
function announcements(finished: readonly Finished[], announced: readonly Announced[]): string[] {
  const found: string[] = [];
  const due = new Map(finished.map(({ manifest }) => [`rotation:${manifest.id}`, manifest.sha256]));
  const rotations = announced.filter(({ eventId }) => !eventId.startsWith('completion:'));
  for (const {
    eventId,
    content: { sha256 },
  } of rotations) {
    const expected = due.get(eventId);
    if (expected === undefined) {
      found.push(`${eventId} was announced and is not there`);
    } else if (expected !== sha256) {
      found.push(`${eventId} was announced with another content`);
    }
  }
  const heard = new Set(announced.map(({ eventId }) => eventId));
  for (const eventId of [...due.keys()].filter((id) => !heard.has(id))) {
    found.push(`${eventId} was never announced`);
  }
  return found;
}

/** Each answered completion under its one id, behind the segments that it completes; the last one stands beside them. */
function announcedCompletions(
  logDir: string,
  finished: readonly Finished[],
  told: readonly ToldCompletion[],
  announced: readonly Announced[],
): string[] {
  const found: string[] = [];
  const ids = announced.map(({ eventId }) => eventId);
  const events = announced.filter(({ eventId }) => eventId.startsWith('completion:'));
  for (const { eventId, content } of events) {
    const { status, exit_code, last_seq = 0 } = content;
    const origin = told.find((one) => one.status === status && one.exitCode === exit_code);
    if (origin === undefined || eventId !== `completion:${origin.sessionId}/${last_seq}`) {
      found.push(`${eventId} was announced as ${status}, and nobody told so`);
      continue;
    }
    const before = finished.filter(({ manifest }) => manifest.id.startsWith(`${origin.sessionId}/`));
    for (const { manifest } of before.filter((one) => one.manifest.first_seq <= last_seq)) {
      if (manifest.last_seq > last_seq || ids.indexOf(`rotation:${manifest.id}`) > ids.indexOf(eventId)) {
        found.push(`${eventId} was announced before ${manifest.id}`);
      }
    }
  }
  for (const { sessionId, status, lastSeq } of told.filter((one) => one.lastSeq !== null)) {
    const heard = events.filter(({ eventId }) => eventId === `completion:${sessionId}/${lastSeq}`);
    if (heard.length !== 1 || heard[0]?.content.status !== status) {
      found.push(`completion:${sessionId}/${lastSeq} was answered, and announced ${heard.length} times`);
    }
  }
  for (const sessionId of new Set(told.map((one) => one.sessionId))) {
    const path = join(logDir, 'sessions', sessionId, 'completion.json');
    const stored = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { last_seq: number }).last_seq : 0;
    const last = Math.max(0, ...events.map(({ content }) => content.last_seq ?? 0));
    if (stored !== last) {
      found.push(`${sessionId} was completed at ${last}, and its record says ${stored}`);
    }
  }
  return found;
}

/** Files anywhere in these rooms, relative to LOG_DIR; half-made ones do not count. */
export function entriesUnder(logDir: string, ...rooms: readonly string[]): string[] {
  return rooms.flatMap((room) =>
    filesUnder(join(logDir, room))
      .filter((name) => !name.endsWith('.tmp'))
      .map((name) => `${room}/${name}`),
  );
}

/** A directory may go while it is looked at. */
function filesUnder(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.flatMap((entry) =>
      entry.isDirectory()
        ? filesUnder(join(directory, entry.name)).map((name) => `${entry.name}/${name}`)
        : [entry.name],
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return [];
    }
    throw error;
  }
}
