/**
 * What of a session was stored and is gone: decisions over names and manifests, without a disk.
 *
 * Agents may leave numbers out, so a hole between two stored lines is a gap only where something says that lines were there:
 *
 * - a manifest beside which there is no segment;
 * - a segment's name in quarantine/;
 * - the segment behind the hole, whose `prev_sha256` is not that of the segment before the hole (or is there, where there is no
 *   segment before it);
 * - the reader itself, that saw the segment a moment ago;
 * - the server, that wrote the lines while somebody watched;
 * - the session's completion, which names its last line.
 *
 * What nothing says: that finished segments were removed together with their manifests right before a segment that has no
 * manifest yet (active, or being sealed) and nobody was reading there.
 */
import type { Manifest } from '../segment/manifest.js';

/** Both included. */
export interface SeqSpan {
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** The parts of `spans` that lie in the hole, without overlaps, in order. */
export function goneWithin(hole: SeqSpan, spans: readonly SeqSpan[]): SeqSpan[] {
  const gone: SeqSpan[] = [];
  for (const span of spans.toSorted((a, b) => a.firstSeq - b.firstSeq)) {
    const firstSeq = Math.max(hole.firstSeq, span.firstSeq);
    const lastSeq = Math.min(hole.lastSeq, span.lastSeq);
    const before = gone.at(-1);
    if (before !== undefined && firstSeq <= before.lastSeq + 1) {
      gone[gone.length - 1] = { firstSeq: before.firstSeq, lastSeq: Math.max(before.lastSeq, lastSeq) };
    } else if (firstSeq <= lastSeq) {
      gone.push({ firstSeq, lastSeq });
    }
  }
  return gone;
}

/**
 * Whether a segment was between two that now follow each other.
 * @param before of the segment before the hole: null when there is none, 'unknown' when its manifest cannot be read
 * @param behind null when it is not known
 */
export function isChainBroken(before: Manifest | null | 'unknown', behind: Manifest | null): boolean {
  if (behind === null || behind.prev_sha256 === null || before === 'unknown') {
    return false;
  }
  return before?.sha256 !== behind.prev_sha256;
}
