import type { OutboxEvent } from '../../src/sealing/outbox-record.js';
import { COMPLETION_FORMAT_VERSION, type CompletionRecord } from '../../src/segment/completion-record.js';
import { MANIFEST_FORMAT_VERSION, type Manifest, manifestId } from '../../src/segment/manifest.js';

export function manifest(
  sessionId: string,
  firstSeq: number,
  lastSeq: number,
  overrides: Partial<Manifest> = {},
): Manifest {
  return {
    id: manifestId(sessionId, firstSeq, lastSeq),
    session_id: sessionId,
    first_seq: firstSeq,
    last_seq: lastSeq,
    frames: lastSeq - firstSeq + 1,
    gaps: 0,
    first_time: '2026-11-21T10:00:00Z',
    last_time: '2026-11-21T10:00:02.5Z',
    bytes: 5_000_000_000,
    sha256: 'a'.repeat(64),
    prev_sha256: null,
    compression: 'gzip',
    compressed_bytes: 100,
    members: [{ first_seq: firstSeq, raw_offset: 0, compressed_offset: 0 }],
    path: 'sessions/build-42/x.log.gz',
    sealed_at: '2026-11-21T10:00:00Z',
    reason: 'size',
    producers: { w3: 9 },
    format_version: MANIFEST_FORMAT_VERSION,
    ...overrides,
  };
}

export function rotation(
  sessionId: string,
  firstSeq: number,
  lastSeq: number,
  overrides: Partial<Manifest> = {},
): OutboxEvent {
  return { type: 'log_rotation', manifest: manifest(sessionId, firstSeq, lastSeq, overrides) };
}

export function completion(
  sessionId: string,
  lastSeq: number,
  end: { status?: string; exitCode?: number } = {},
): OutboxEvent {
  return { type: 'log_completion', completion: completionRecord(sessionId, lastSeq, end) };
}

export function completionRecord(
  sessionId: string,
  lastSeq: number,
  end: { status?: string; exitCode?: number } = {},
): CompletionRecord {
  return {
    session_id: sessionId,
    status: end.status ?? 'stopped',
    exit_code: end.exitCode ?? null,
    last_seq: lastSeq,
    completed_at: '2026-11-21T10:00:00.000Z',
    format_version: COMPLETION_FORMAT_VERSION,
  };
}
