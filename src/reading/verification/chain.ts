/** Whether the segments of a session follow one another with nothing missing: decisions over values, without a disk. */
import type { CompletenessFinding } from './finding.js';

/** A segment as the chain sees it. */
export interface Link {
  /** Whose name a finding bears; relative to LOG_DIR. */
  readonly file: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /**
   * Its SHA-256 as its manifest says it and as it was found: the link to it holds by either, so that one damage is told once.
   * Empty when neither can be had.
   */
  readonly sha256: readonly string[];
  /** Undefined when there is no manifest to say it. */
  readonly prevSha256: string | null | undefined;
}

/** @param links in the order of their seqs */
export function chainFindings(links: readonly Link[]): CompletenessFinding[] {
  const findings: CompletenessFinding[] = [];
  let furthest: Link | null = null;
  for (const [index, link] of links.entries()) {
    if (furthest !== null && link.firstSeq <= furthest.lastSeq) {
      findings.push(overlap(link, furthest));
    }
    if (link.prevSha256 !== undefined) {
      const broken = brokenLink(link, link.prevSha256, predecessors(links, index));
      findings.push(...(broken === null ? [] : [broken]));
    }
    furthest = furthest === null || link.lastSeq > furthest.lastSeq ? link : furthest;
  }
  return findings;
}

/** Numbers between the segments that none of them holds. */
export function numbersBetween(links: readonly Link[]): number {
  let missing = 0;
  let lastSeq = 0;
  for (const link of links) {
    missing += lastSeq === 0 ? 0 : Math.max(0, link.firstSeq - lastSeq - 1);
    lastSeq = Math.max(lastSeq, link.lastSeq);
  }
  return missing;
}

/** What ends before the link begins, and nearest to it; several only when they overlap. */
function predecessors(links: readonly Link[], index: number): Link[] {
  const firstSeq = links[index]?.firstSeq ?? 0;
  const nearest: Link[] = [];
  for (let at = index - 1; at >= 0; at--) {
    const before = links[at];
    const lastSeq = nearest[0]?.lastSeq ?? 0;
    if (before !== undefined && before.lastSeq < firstSeq && before.lastSeq >= lastSeq) {
      nearest.splice(0, before.lastSeq > lastSeq ? nearest.length : 0);
      nearest.push(before);
    } else if (nearest.length > 0) {
      break;
    }
  }
  return nearest;
}

function brokenLink(link: Link, expected: string | null, before: readonly Link[]): CompletenessFinding | null {
  const [nearest] = before;
  const known = before.flatMap(({ sha256 }) => sha256);
  const isUnknown = nearest !== undefined && known.length === 0 && expected !== null;
  if (isUnknown || (expected === null ? nearest === undefined : known.includes(expected))) {
    return null;
  }
  const found = known[0] ?? null;
  const finding = { file: link.file, problem: 'chain', field: 'prev_sha256', expected, found } as const;
  if (nearest === undefined) {
    return { ...finding, message: `continues a segment before seq ${link.firstSeq} that is missing` };
  }
  if (expected === null) {
    return { ...finding, message: `says that it is the session's first segment, but ${nearest.file} comes before it` };
  }
  const isGap = nearest.lastSeq + 1 < link.firstSeq;
  return {
    ...finding,
    message: isGap
      ? `continues a segment between seq ${nearest.lastSeq} and ${link.firstSeq} that is missing`
      : `does not continue ${nearest.file}: it says prev_sha256 ${expected}, that one has ${found}`,
  };
}

function overlap(link: Link, other: Link): CompletenessFinding {
  const message = `holds seq ${link.firstSeq} to ${link.lastSeq}, but ${other.file} holds ${other.firstSeq} to ${other.lastSeq}`;
  return {
    file: link.file,
    problem: 'overlap',
    field: null,
    message,
    expected: other.lastSeq + 1,
    found: link.firstSeq,
  };
}
