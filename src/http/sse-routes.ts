/**
 * Sessions as server-sent events: one with its history, or all from now on.
 *
 * A stream begins with the id of the place behind which its lines come, so that a browser whose connection breaks before the first
 * event goes on from there. It never ends in silence: `complete` and `error` are its last events. A browser connects again after
 * either, with `Last-Event-ID`; at the end of a completed session it is answered with 204, which tells it to stop.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogEvent } from '../reading/log-events.js';
import { deliver, type EventEncoding } from './deliver.js';
import { filterOf } from './filter-query.js';
import { lastEventSeq, positionOf, readRequestOf } from './log-position.js';
import type { Route, Target } from './route.js';
import { eventOf, firehoseEvents, openingOf, sessionEvents } from './sse-events.js';
import type { Viewer } from './viewers.js';
import type { ViewingParts } from './viewing-parts.js';

const STREAM_PATH = '/api/v1/log-streaming/stream';
/** Before the first event of any session: no session has an empty id. */
const NO_EVENT_YET = '/0';

export function sseRoutes(parts: ViewingParts): Route[] {
  return [
    { path: `${STREAM_PATH}/:session_id`, handlers: { GET: (...args) => streamSession(parts, ...args) } },
    { path: STREAM_PATH, handlers: { GET: (...args) => streamAll(parts, ...args) } },
  ];
}

async function streamSession(
  parts: ViewingParts,
  request: IncomingMessage,
  response: ServerResponse,
  { sessionId: decodeSessionId, query }: Target,
): Promise<void> {
  const sessionId = decodeSessionId();
  const resumedSeq = lastEventSeq(headerOf(request, 'last-event-id'));
  const { tail, afterSeq = 0, ...asked } = readRequestOf(query);
  const position = await positionOf(parts.source, sessionId);
  if (resumedSeq !== null && position.completion !== null && resumedSeq >= position.lastSeq) {
    response.writeHead(204).end();
    return;
  }
  await stream(parts, request, response, sessionEvents, async (viewer) => {
    const { signal } = viewer;
    const asksForTail = resumedSeq === null && tail !== undefined;
    // Lines that are stored meanwhile do not move a seq, as they would the beginning of a tail.
    const begun = asksForTail ? await parts.source.tailStart(sessionId, tail, signal) : (resumedSeq ?? afterSeq);
    await viewer.write(openingOf(String(begun)));
    return parts.source.read(sessionId, { ...asked, afterSeq: begun, follow: true, signal });
  });
}

async function streamAll(
  parts: ViewingParts,
  request: IncomingMessage,
  response: ServerResponse,
  { query }: Target,
): Promise<void> {
  const filter = filterOf(query);
  const missedSince = headerOf(request, 'last-event-id');
  await stream(parts, request, response, firehoseEvents, async (viewer) => {
    await viewer.write(openingOf(missedSince || NO_EVENT_YET));
    if (missedSince !== undefined) {
      // It goes on from now: what was written meanwhile is in the sessions' own streams.
      void viewer.write(eventOf('gap', { last_event_id: missedSince }));
    }
    return parts.source.watchAll({ filter, signal: viewer.signal });
  });
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}

async function stream(
  { viewers, logger, heartbeatMs }: ViewingParts,
  request: IncomingMessage,
  response: ServerResponse,
  encoding: EventEncoding,
  open: (viewer: Viewer) => Promise<AsyncIterable<LogEvent>>,
): Promise<void> {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    // Proxies that buffer or re-encode would hold lines back.
    'Cache-Control': 'no-store, no-transform',
    'X-Accel-Buffering': 'no',
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const viewer = viewers.admit('sse', response, request.socket);
  const heartbeat = setInterval(() => {
    if (!viewer.isBehind) {
      void viewer.write(eventOf('heartbeat', { time: new Date().toISOString() }));
    }
  }, heartbeatMs).unref();
  try {
    await deliver(open(viewer), viewer, encoding, logger);
  } finally {
    clearInterval(heartbeat);
    viewer.ending();
    response.end();
  }
}
