import type { StoredRange } from '../session/touched-sessions.js';
import type { SessionRange } from './generated/logging/v1/SessionRange.js';

/** Clients refuse messages over 4 MiB by default; an answer that can't be received would make stored frames look lost. */
const RANGES_BYTES_MAX = 3 * 1024 * 1024;
/** Of a range beside its session id, at most. */
const RANGE_OVERHEAD_BYTES = 32;

/** As many of the ranges as fit into an answer, the first ones first. */
export function sessionRanges(ranges: readonly StoredRange[]): SessionRange[] {
  const fitting: SessionRange[] = [];
  let bytes = 0;
  for (const { sessionId, firstSeq, lastSeq } of ranges) {
    bytes += Buffer.byteLength(sessionId) + RANGE_OVERHEAD_BYTES;
    if (bytes > RANGES_BYTES_MAX) {
      break;
    }
    fitting.push({ session_id: sessionId, first_seq: firstSeq, last_seq: lastSeq });
  }
  return fitting;
}
