/** A LOG_DIR written by hand: segments in any of their places, as a server leaves them or is about to. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  COMPLETION_FORMAT_VERSION,
  type CompletionRecord,
  completionPath,
  encodeCompletion,
  pendingCompletionPath,
} from '../../src/segment/completion-record.js';
import { type Layout, layoutOf, segmentName, sessionName } from '../../src/segment/layout.js';
import type { Manifest } from '../../src/segment/manifest.js';

export type Place = 'sealing' | 'finished-raw' | 'finished-gzip' | 'finished-unlisted' | 'sealing-and-finished';

const SEALED_AT_MS = Date.UTC(2026, 10, 21, 10, 0, 0);

/** A stored line; `filler` makes it longer. */
export function storedLine(sessionId: string, seq: number, filler = ''): Buffer {
  const time = new Date(SEALED_AT_MS + seq).toISOString();
  return Buffer.from(`${JSON.stringify({ seq, time, session_id: sessionId, content: `${seq}${filler}\n` })}\n`);
}

export function seqOfLine(line: string): number {
  return (JSON.parse(line) as { seq: number }).seq;
}

export class LogDirFixture implements AsyncDisposable {
  readonly layout: Layout;

  private constructor(root: string) {
    this.layout = layoutOf(root);
  }

  static async create(): Promise<LogDirFixture> {
    return new LogDirFixture(await mkdtemp(join(tmpdir(), 'logweir-reading-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.layout.root, { recursive: true, force: true });
  }

  activePath(sessionId: string): string {
    return join(this.layout.active, `${sessionName(sessionId)}.logtmp`);
  }

  async writeActive(sessionId: string, bytes: Uint8Array): Promise<void> {
    await write(this.activePath(sessionId), bytes);
  }

  /** @param end null: a file that is no record */
  async writeCompletion(
    sessionId: string,
    lastSeq: number,
    end: { status: string; exitCode: number | null } | null,
    place: 'sealing' | 'sessions' = 'sessions',
  ): Promise<void> {
    const record: CompletionRecord = {
      session_id: sessionId,
      status: end?.status ?? '',
      exit_code: end?.exitCode ?? null,
      last_seq: lastSeq,
      completed_at: '2026-11-21T10:00:00.000Z',
      format_version: COMPLETION_FORMAT_VERSION,
    };
    const path =
      place === 'sealing'
        ? pendingCompletionPath(this.layout, record)
        : completionPath(this.layout, sessionName(sessionId));
    await write(path, encodeCompletion(record));
  }

  /** @param memberLines how many lines a gzip member holds */
  async writeSealed(
    sessionId: string,
    seqs: readonly number[],
    place: Place,
    memberLines = 3,
    filler = '',
  ): Promise<void> {
    const lines = seqs.map((seq) => storedLine(sessionId, seq, filler));
    const name = sessionName(sessionId);
    const stem = stemOf(seqs);
    const sealing = join(this.layout.sealing, name, `${stem}.log`);
    const finished = join(this.layout.sessions, name, stem);
    if (place === 'sealing' || place === 'sealing-and-finished') {
      await write(sealing, Buffer.concat(lines));
    }
    if (place === 'sealing') {
      return;
    }
    const isGzip = place !== 'finished-raw';
    const { bytes, members } = isGzip
      ? gzipped(seqs, lines, memberLines)
      : { bytes: Buffer.concat(lines), members: [] };
    await write(`${finished}.log${isGzip ? '.gz' : ''}`, bytes);
    if (place !== 'finished-unlisted') {
      const manifest = manifestFor(sessionId, seqs, lines, members, bytes.length);
      await write(`${finished}.json`, Buffer.from(`${JSON.stringify(manifest)}\n`));
    }
  }
}

export function stemOf(seqs: readonly number[]): string {
  return segmentName({ firstSeq: seqs[0] ?? 0, lastSeq: seqs.at(-1) ?? 0, sealedAtMs: SEALED_AT_MS });
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}

function gzipped(seqs: readonly number[], lines: readonly Buffer[], memberLines: number) {
  const members: Manifest['members'][number][] = [];
  const parts: Buffer[] = [];
  let rawOffset = 0;
  let compressedOffset = 0;
  for (let i = 0; i < lines.length; i += memberLines) {
    const raw = Buffer.concat(lines.slice(i, i + memberLines));
    const part = gzipSync(raw);
    members.push({ first_seq: seqs[i] ?? 0, raw_offset: rawOffset, compressed_offset: compressedOffset });
    parts.push(part);
    rawOffset += raw.length;
    compressedOffset += part.length;
  }
  return { bytes: Buffer.concat(parts), members };
}

function manifestFor(
  sessionId: string,
  seqs: readonly number[],
  lines: readonly Buffer[],
  members: Manifest['members'],
  fileBytes: number,
): Manifest {
  const first = seqs[0] ?? 0;
  const last = seqs.at(-1) ?? 0;
  const timeOf = (seq: number) => new Date(SEALED_AT_MS + seq).toISOString();
  return {
    id: `${sessionId}/${first}-${last}`,
    session_id: sessionId,
    first_seq: first,
    last_seq: last,
    frames: seqs.length,
    gaps: last - first + 1 - seqs.length,
    first_time: timeOf(first),
    last_time: timeOf(last),
    bytes: Buffer.concat(lines).length,
    sha256: '0'.repeat(64),
    prev_sha256: null,
    compression: members.length > 0 ? 'gzip' : 'none',
    compressed_bytes: fileBytes,
    members,
    path: `sessions/${sessionName(sessionId)}/${stemOf(seqs)}.log${members.length > 0 ? '.gz' : ''}`,
    sealed_at: '2026-11-21T10:00:00Z',
    reason: 'size',
    producers: {},
    format_version: 1,
  };
}
