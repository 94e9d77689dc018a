import type { SegmentScan } from './segment-scan.js';

/** What recovery does with a raw file that it found; decided from values alone. */
export type RecoveryStep =
  /** All of it is valid. */
  | { readonly kind: 'keep' }
  /** Keep the bytes from `offset` on in quarantine, then cut them off. */
  | { readonly kind: 'cut'; readonly offset: number; readonly reason: string }
  /** Nothing of it can be used where it stands: move it to quarantine whole. */
  | { readonly kind: 'quarantine'; readonly reason: string }
  /** It holds nothing. */
  | { readonly kind: 'remove' };

/**
 * @param sealedLastSeq the session's last seq in sealed segments, 0 for none: an active segment at or before it is a copy
 *   that a power cut brought back (its rename was lost in one directory and kept in the other)
 */
export function planRecovery(scan: SegmentScan, sealedLastSeq: number): RecoveryStep {
  if (scan.totalBytes === 0) {
    return { kind: 'remove' };
  }
  if (scan.summary === null) {
    return { kind: 'quarantine', reason: `no valid line (${scan.damage ?? 'empty'})` };
  }
  if (scan.summary.firstSeq <= sealedLastSeq) {
    return {
      kind: 'quarantine',
      reason: `starts at seq ${scan.summary.firstSeq}, but the session is sealed up to ${sealedLastSeq}`,
    };
  }
  if (scan.damage !== null) {
    return { kind: 'cut', offset: scan.summary.bytes, reason: scan.damage };
  }
  return { kind: 'keep' };
}
