/**
 * A session's stored lines as a download: NDJSON, byte for byte as they are on disk. What is gone stands between them as a line of another
 * shape, `{"gap":{"first_seq":5,"last_seq":9}}`; when reading fails, `{"error":{…}}` is the last line and the transfer is cut off, which
 * clients report. Stored lines begin with `{"seq":`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogEvent } from '../reading/log-events.js';
import { deliver, type EventEncoding } from './deliver.js';
import { HttpProblem } from './http-problem.js';
import { readRequestOf } from './log-position.js';
import { readThrough } from './read-through.js';
import type { Target } from './route.js';
import type { ViewingParts } from './viewing-parts.js';

const ndjson: EventEncoding = {
  lines: ({ bytes }) => bytes,
  gap: ({ firstSeq, lastSeq }) => `${JSON.stringify({ gap: { first_seq: firstSeq, last_seq: lastSeq } })}\n`,
  end: () => '',
  error: (error) => `${JSON.stringify({ error })}\n`,
};

export async function downloadLogs(
  { source, viewers, logger }: ViewingParts,
  request: IncomingMessage,
  response: ServerResponse,
  { sessionId: decodeSessionId, query }: Target,
): Promise<void> {
  const sessionId = decodeSessionId();
  const asked = readRequestOf(query);
  const throughSeq = query.seq('through_seq');
  if (throughSeq !== null && throughSeq <= (asked.afterSeq ?? 0)) {
    throw new HttpProblem(400, 'through_seq must be above after_seq', 'through_seq');
  }
  const viewer = viewers.admit('http', response, request.socket);
  const range = { ...asked, signal: viewer.signal };
  const events =
    throughSeq === null ? source.read(sessionId, range) : readThrough(source, sessionId, range, throughSeq);
  // An unknown session, and whatever else is wrong at the start, can still be answered with a status.
  const first = await events.next();
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson; charset=utf-8', 'X-Accel-Buffering': 'no' });
  if (request.method === 'HEAD') {
    await events.return();
    response.end();
    return;
  }
  const outcome = await deliver(behind(first, events), viewer, ndjson, logger);
  viewer.ending();
  if (outcome === 'error') {
    // Flushes, and leaves out the end of the body.
    response.write('', () => response.destroy());
  } else {
    response.end();
  }
}

/** The first event, which has been asked for already, and the others. */
async function* behind(
  first: IteratorResult<LogEvent, void>,
  events: AsyncGenerator<LogEvent, void>,
): AsyncGenerator<LogEvent, void> {
  try {
    if (first.done !== true) {
      yield first.value;
      yield* events;
    }
  } finally {
    await events.return();
  }
}
