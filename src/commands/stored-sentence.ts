import type { ProducerReport } from '../client/producer-report.js';
import { humanCount, humanLines } from './human-units.js';
import { printable } from './printable.js';

/**
 * What became of the lines, in one clause: `5,231 lines stored (seq 1–5231)`, how many were not, and why.
 * @param sessionId null when there were several sessions
 * @param duplicates stands behind the number of those stored
 */
export function storedClause(report: ProducerReport, sessionId: string | null, duplicates = ''): string {
  const why = report.error === null ? '' : ` (${printable(report.error.message)})`;
  const stored = `${humanLines(report.storedLines)} stored${rangeOf(report, sessionId)}${duplicates}`;
  if (report.refusedAt !== null) {
    // What was not under way when the server refused the frame was not sent.
    const after = report.unconfirmed === 0 ? '' : `, ${humanLines(report.unconfirmedLines)} after it not stored`;
    return `${stored}, ${humanLines(report.refused)} refused${after}${why}`;
  }
  return report.unconfirmed === 0
    ? stored
    : `${stored}, ${humanLines(report.unconfirmedLines)} NOT confirmed as stored${why}`;
}

/** `, 3 of them there already`, or nothing. */
export function duplicatesClause(report: ProducerReport): string {
  return report.duplicates === 0 ? '' : `, ${humanCount(report.duplicates)} of them there already`;
}

function rangeOf(report: ProducerReport, sessionId: string | null): string {
  const range = sessionId === null ? undefined : report.ranges.find((one) => one.sessionId === sessionId);
  // After duplicates the range holds less than what is stored: the numbers of frames that were there already are unknown.
  if (range === undefined || report.duplicates > 0) {
    return '';
  }
  return range.firstSeq === range.lastSeq ? ` (seq ${range.firstSeq})` : ` (seq ${range.firstSeq}–${range.lastSeq})`;
}
