/** Where in a session a viewer begins, and whether there is anything to see. */
import { SEQ_MAX } from '../frame/limits.js';
import type { Completion } from '../reading/log-events.js';
import type { LogSource, ReadRequest } from '../reading/log-source.js';
import { filterOf } from './filter-query.js';
import { HttpProblem } from './http-problem.js';
import { countOf, type Query } from './query.js';

const TAIL_MAX = 0xffff_ffff;
const LAST_EVENT_ID = 'Last-Event-ID';

/**
 * Cursor and filter as a query gives them: `after_seq` or `tail`.
 * @throws HttpProblem 400, FilterProblem
 */
export function readRequestOf(query: Query): ReadRequest {
  const afterSeq = query.seq('after_seq');
  const tail = query.count('tail', TAIL_MAX);
  if (afterSeq !== null && tail !== null) {
    throw new HttpProblem(400, 'tail can not be given together with after_seq', 'tail');
  }
  return { filter: filterOf(query), ...(tail === null ? { afterSeq: afterSeq ?? 0 } : { tail }) };
}

/**
 * The cursor that a browser brings when it connects again: it is newer than what stands in the URL. Null when there is none.
 * @throws HttpProblem 400
 */
export function lastEventSeq(header: string | undefined): number | null {
  return header === undefined || header === '' ? null : countOf(LAST_EVENT_ID, header, SEQ_MAX);
}

/**
 * Where a session stands, without reading its lines.
 * @returns `completion`: how it ended; null while it goes on
 * @throws ReadingError UNKNOWN_SESSION
 */
export async function positionOf(
  source: LogSource,
  sessionId: string,
): Promise<{ lastSeq: number; completion: Completion | null }> {
  for await (const event of source.read(sessionId, { afterSeq: SEQ_MAX })) {
    if (event.kind === 'end') {
      return { lastSeq: event.lastSeq, completion: event.completion };
    }
  }
  throw new Error('a reading ended without its end');
}
