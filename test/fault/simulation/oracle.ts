import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type { Manifest } from '../../../src/segment/manifest.js';
import { parseManifest } from '../../../src/segment/manifest-store.js';
import { completionViolations } from './completion-oracle.js';
import type { Journal, SentFrame } from './journal.js';

/** One line of a segment, as JSON has it. */
type Line = Readonly<Record<string, unknown>>;

/**
 * What has to be true when everything is finished: read off the disk independently of the code under test, and held against
 * what the agents sent, what was acknowledged, and what was announced. Returns what is not.
 *
 * @param stored path and content of every file under LOG_DIR
 * @param announced content by event id
 */
export function violationsOf(
  stored: ReadonlyMap<string, Buffer>,
  journal: Journal,
  announced: ReadonlyMap<string, string>,
): string[] {
  const wrong: string[] = [];
  for (const path of stored.keys()) {
    if (/\/(?:sealing|outbox|active)\/./.test(path) || (path.endsWith('.tmp') && !path.includes('/quarantine/'))) {
      wrong.push(`${path} is left`);
    }
  }
  const counted = new Map<string, number>();
  const manifests = [...stored.keys()].filter((path) => /\/sessions\/.*Z\.json$/.test(path)).toSorted();
  const known: Manifest[] = [];
  const before = new Map<string, { manifest: Manifest; lastSeq: number }>();
  for (const path of manifests) {
    const manifest = manifestAt(path, stored, wrong);
    if (manifest === null) {
      continue;
    }
    known.push(manifest);
    const previous = before.get(manifest.session_id);
    const lines = linesOf(manifest, stored, wrong);
    expectEqual(wrong, `${manifest.id} prev_sha256`, manifest.prev_sha256, previous?.manifest.sha256 ?? null);
    expectEqual(
      wrong,
      `announcement of ${manifest.id}`,
      announced.get(`rotation:${manifest.id}`),
      JSON.stringify({ ...manifest, event_id: `rotation:${manifest.id}` }),
    );
    const lastSeq = checkLines(manifest, lines, previous?.lastSeq ?? 0, journal, counted, wrong);
    before.set(manifest.session_id, { manifest, lastSeq });
  }
  const rotations = [...announced.keys()].filter((id) => !id.startsWith('completion:')).length;
  expectEqual(wrong, 'announced segments', rotations, manifests.length);
  wrong.push(...completionViolations(stored, known, journal, announced));
  const files = [...stored.keys()].filter((path) => /\/sessions\/.*\.log(\.gz)?$/.test(path)).length;
  expectEqual(wrong, 'finished files', files, manifests.length);
  for (const [content, { acknowledged }] of journal.frames) {
    const times = counted.get(content) ?? 0;
    if (times > 1 || (acknowledged && times === 0)) {
      wrong.push(`${nameOf(content)}, ${acknowledged ? 'acknowledged' : 'not acknowledged'}, is stored ${times} times`);
    }
  }
  return wrong;
}

function manifestAt(path: string, stored: ReadonlyMap<string, Buffer>, wrong: string[]): Manifest | null {
  try {
    return parseManifest(stored.get(path) ?? Buffer.alloc(0));
  } catch (error) {
    wrong.push(`${path}: ${String(error)}`);
    return null;
  }
}

function linesOf(manifest: Manifest, stored: ReadonlyMap<string, Buffer>, wrong: string[]): Line[] {
  const file = stored.get(`/logs/${manifest.path}`);
  if (file === undefined) {
    wrong.push(`${manifest.path} is missing`);
    return [];
  }
  expectEqual(wrong, `${manifest.id} compressed_bytes`, file.length, manifest.compressed_bytes);
  try {
    const raw = manifest.compression === 'gzip' ? gunzipSync(file) : file;
    expectEqual(wrong, `${manifest.id} bytes`, raw.length, manifest.bytes);
    expectEqual(wrong, `${manifest.id} sha256`, createHash('sha256').update(raw).digest('hex'), manifest.sha256);
    const lines = raw.toString('utf8').split('\n');
    expectEqual(wrong, `${manifest.id} last byte`, lines.pop(), '');
    return lines.map((line) => JSON.parse(line) as Line);
  } catch (error) {
    wrong.push(`${manifest.path} can't be read: ${String(error)}`);
    return [];
  }
}

/** Returns the last seq. */
function checkLines(
  manifest: Manifest,
  lines: readonly Line[],
  lastSeqBefore: number,
  journal: Journal,
  counted: Map<string, number>,
  wrong: string[],
): number {
  let lastSeq = lastSeqBefore;
  const producers: Record<string, number> = {};
  for (const line of lines) {
    const { seq, content } = line as { seq: number; content: string };
    if (seq <= lastSeq) {
      wrong.push(`${manifest.id}: seq ${seq} comes after ${lastSeq}`);
    }
    lastSeq = seq;
    counted.set(content, (counted.get(content) ?? 0) + 1);
    const sent = journal.frames.get(content);
    if (sent === undefined) {
      wrong.push(`${manifest.id}: nobody sent ${nameOf(content)}`);
      continue;
    }
    expectEqual(wrong, `line of ${nameOf(content)}`, JSON.stringify(line), JSON.stringify(lineOf(sent, line)));
    if (sent.producerId !== '') {
      producers[sent.producerId] = sent.producerSeq;
    }
  }
  expectEqual(wrong, `${manifest.id} first_seq`, manifest.first_seq, lines[0]?.['seq']);
  expectEqual(wrong, `${manifest.id} last_seq`, manifest.last_seq, lines.at(-1)?.['seq']);
  expectEqual(wrong, `${manifest.id} frames`, manifest.frames, lines.length);
  for (const [producer, mark] of Object.entries(producers)) {
    expectEqual(wrong, `${manifest.id} mark of ${producer}`, manifest.producers[producer], mark);
  }
  return lastSeq;
}

/** The line that the frame must have become; what the server chose is taken from `line`. */
function lineOf(sent: SentFrame, line: Line): Line {
  const time = sent.timeSeconds === null ? line['time'] : new Date(sent.timeSeconds * 1000).toISOString();
  return {
    seq: sent.seq === 0 ? line['seq'] : sent.seq,
    time: sent.timeSeconds === null ? time : String(time).replace('.000Z', 'Z'),
    session_id: sent.sessionId,
    content: sent.content,
    ...(sent.producerId === '' ? {} : { producer_id: sent.producerId, producer_seq: sent.producerSeq }),
  };
}

function nameOf(content: string): string {
  return content.slice(0, content.indexOf(':', content.indexOf(':') + 1));
}

function expectEqual(wrong: string[], what: string, found: unknown, expected: unknown): void {
  if (found !== expected) {
    wrong.push(`${what}: ${String(found).slice(0, 300)}, not ${String(expected).slice(0, 300)}`);
  }
}
