import type { ProducerReport } from '../client/frame-producer.js';
import { humanCount, humanLines } from './human-units.js';
import { printable } from './printable.js';

/**
 * What became of the frames, in one clause: `5,231 lines stored (seq 1–5231)`, or how many were not, and why.
 * @param sessionId null when there were several sessions
 */
export function storedClause(report: ProducerReport, sessionId: string | null): string {
  let clause = `${humanLines(report.stored)} stored`;
  const range = sessionId === null ? undefined : report.ranges.find((one) => one.sessionId === sessionId);
  // After duplicates the range holds less than what is stored: the numbers of frames that were there already are unknown.
  if (range !== undefined && report.duplicates === 0) {
    clause += ` (seq ${range.firstSeq}–${range.lastSeq})`;
  }
  if (report.unconfirmed > 0) {
    clause += `, ${humanLines(report.unconfirmed)} NOT confirmed as stored`;
    clause += report.error === null ? '' : ` (${printable(report.error.message)})`;
  }
  return clause;
}

/** `, 3 of them there already`, or nothing. */
export function duplicatesClause(report: ProducerReport): string {
  return report.duplicates === 0 ? '' : `, ${humanCount(report.duplicates)} of them there already`;
}
