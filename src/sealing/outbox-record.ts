/**
 * What an outbox record is: its name, its envelope (CONTRACTS §2), its place among the others. Pure.
 *
 * A name says session and seq, so that 100,000 records are put in order without opening one.
 */
import type { CompletionRecord } from '../segment/completion-record.js';
import { MANIFEST_SUFFIX, padSeq, sessionName } from '../segment/layout.js';
import type { Manifest } from '../segment/manifest.js';

export type OutboxEvent =
  | { readonly type: 'log_rotation'; readonly manifest: Manifest }
  | { readonly type: 'log_completion'; readonly completion: CompletionRecord };

/** An event as it lies in the outbox, whatever the encoding it will be published in. */
export interface Announcement {
  readonly type: string;
  /** Carries `event_id`, which never changes. */
  readonly content: Readonly<Record<string, unknown>> & { readonly event_id: string };
  /** When the record was made: RFC 3339 with six fraction digits and +00:00. */
  readonly timestamp: string;
}

/** What a record's file name says. */
export interface RecordName {
  readonly fileName: string;
  /** As sessionName() has it. */
  readonly session: string;
  readonly lastSeq: number;
  readonly kind: 'rotation' | 'completion';
}

export function eventId(event: OutboxEvent): string {
  return event.type === 'log_rotation'
    ? `rotation:${event.manifest.id}`
    : `completion:${event.completion.session_id}/${event.completion.last_seq}`;
}

/** At most 252 bytes with the suffix of a temporary file: a session's name has at most 200. */
export function rotationRecordName(sessionId: string, firstSeq: number, lastSeq: number): RecordName {
  const session = sessionName(sessionId);
  const fileName = `rotation_${session}_${padSeq(firstSeq)}-${padSeq(lastSeq)}${MANIFEST_SUFFIX}`;
  return { fileName, session, lastSeq, kind: 'rotation' };
}

export function completionRecordName(sessionId: string, lastSeq: number): RecordName {
  const session = sessionName(sessionId);
  return {
    fileName: `completion_${session}_${padSeq(lastSeq)}${MANIFEST_SUFFIX}`,
    session,
    lastSeq,
    kind: 'completion',
  };
}

export function recordNameOf(event: OutboxEvent): RecordName {
  return event.type === 'log_rotation'
    ? rotationRecordName(event.manifest.session_id, event.manifest.first_seq, event.manifest.last_seq)
    : completionRecordName(event.completion.session_id, event.completion.last_seq);
}

const ROTATION = /^rotation_(.+)_\d{16}-(\d{16})\.json$/;
const COMPLETION = /^completion_(.+)_(\d{16})\.json$/;

/** Null when it is no record's name. */
export function parseRecordName(fileName: string): RecordName | null {
  const rotation = ROTATION.exec(fileName);
  const match = rotation ?? COMPLETION.exec(fileName);
  const [, session, lastSeq] = match ?? [];
  if (session === undefined || lastSeq === undefined) {
    return null;
  }
  return { fileName, session, lastSeq: Number(lastSeq), kind: rotation === null ? 'completion' : 'rotation' };
}

/** The order within one session: by last seq, and a completion after the rotation that ends with the same one. */
export function compareRecords(a: RecordName, b: RecordName): number {
  return a.lastSeq - b.lastSeq || Number(a.kind === 'completion') - Number(b.kind === 'completion');
}

/** The bytes of a new record. `encoding` there is a placeholder: it is known when the event is published. */
export function encodeRecord(event: OutboxEvent, wallMs: number): Buffer {
  const timestamp = new Date(wallMs).toISOString().replace('Z', '000+00:00');
  const envelope = { type: event.type, encoding: 'json', content: contentOf(event), timestamp };
  return Buffer.from(`${JSON.stringify(envelope)}\n`);
}

function contentOf(event: OutboxEvent): object {
  const event_id = eventId(event);
  if (event.type === 'log_rotation') {
    return { ...event.manifest, event_id };
  }
  const { session_id, last_seq, status, exit_code, completed_at } = event.completion;
  // Absent when the session told none.
  return { session_id, last_seq, status, ...(exit_code === null ? {} : { exit_code }), completed_at, event_id };
}

/** Null when the bytes are no record. */
export function parseRecord(bytes: Buffer): Announcement | null {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
  return isAnnouncement(value) ? value : null;
}

function isAnnouncement(value: unknown): value is Announcement {
  return (
    isObject(value) &&
    typeof value['type'] === 'string' &&
    typeof value['timestamp'] === 'string' &&
    isObject(value['content']) &&
    typeof value['content']['event_id'] === 'string'
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
