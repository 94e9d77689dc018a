/** Server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html has them. */
import type { LogLines } from '../reading/log-events.js';
import { nextLine, seqAt } from '../reading/stored-line.js';
import type { EndEvent, EventEncoding, GapEvent } from './deliver.js';
import type { StreamError } from './http-problem.js';

/** For the event `log`: everything in front of a line but its id. */
const LOG_FIELDS = '\nevent: log\ndata: ';
const ID_FIELD = 'id: ';
/** After which browsers connect again. */
const RETRY_MS = 2_000;
const SEQ_DIGITS_MAX = 16;
const NEWLINE = 0x0a;

/** Events of one session: `id:` is the seq. */
export const sessionEvents: EventEncoding = {
  lines: (lines) => lines.as(encodeBySeq),
  gap: (event) => eventOf('gap', gapData(event), String(event.lastSeq)),
  // With an id, a browser that connects again asks from behind the end, and is told to stop, whatever its filter let pass.
  end: (event) => eventOf('complete', endData(event), String(event.lastSeq)),
  error: errorEvent,
};

/** Events of all sessions: `id:` is `<session_id, percent-encoded>/<seq>`. */
export const firehoseEvents: EventEncoding = {
  lines: (lines) => lines.as(encodeBySession),
  gap: (event) => eventOf('gap', gapData(event), idPrefix(event.sessionId) + event.lastSeq),
  end: (event) => eventOf('complete', endData(event), idPrefix(event.sessionId) + event.lastSeq),
  error: errorEvent,
};

/**
 * The beginning of a stream. A block without data is no event, but sets what a browser sends as `Last-Event-ID` when it connects again
 * before an event has come.
 */
export function openingOf(id: string): string {
  return `retry: ${RETRY_MS}\nid: ${id}\n\n`;
}

/** @param data JSON: without line breaks */
export function eventOf(name: string, data: object, id: string | null = null): string {
  return `${id === null ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function errorEvent(error: StreamError): string {
  return eventOf('error', error);
}

function gapData({ sessionId, firstSeq, lastSeq }: GapEvent & { readonly sessionId?: string }): object {
  return { session_id: sessionId, first_seq: firstSeq, last_seq: lastSeq };
}

function endData({ sessionId, lastSeq, completion }: EndEvent & { readonly sessionId?: string }): object {
  return {
    session_id: sessionId,
    status: completion?.status ?? null,
    exit_code: completion?.exitCode ?? null,
    last_seq: lastSeq,
  };
}

function idPrefix(sessionId = ''): string {
  return `${encodeURIComponent(sessionId)}/`;
}

function encodeBySeq(lines: LogLines): Buffer {
  return encode(lines, ID_FIELD);
}

function encodeBySession(lines: LogLines): Buffer {
  return encode(lines, ID_FIELD + idPrefix(lines.sessionId));
}

/** Lines have no line break but their last byte, and no control characters: they are data as they stand. */
function encode({ bytes }: LogLines, beforeSeq: string): Buffer {
  const starts: number[] = [];
  for (let start = 0; start < bytes.length; start = nextLine(bytes, start)) {
    starts.push(start);
  }
  const fieldBytes = beforeSeq.length + SEQ_DIGITS_MAX + LOG_FIELDS.length + 1;
  const out = Buffer.allocUnsafeSlow(bytes.length + starts.length * fieldBytes);
  let at = 0;
  for (const [index, start] of starts.entries()) {
    at += out.write(`${beforeSeq}${seqAt(bytes, start)}${LOG_FIELDS}`, at, 'latin1');
    at += bytes.copy(out, at, start, starts[index + 1] ?? bytes.length);
    out[at++] = NEWLINE;
  }
  return out.subarray(0, at);
}
