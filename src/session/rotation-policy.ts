import type { SealReason } from '../segment/sealed-segment.js';

export interface RotationLimits {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly idleMs: number;
}

/** Whether a line still belongs into a segment of `bytes`: a segment passes its limit only when one line alone does. */
export function fits(limits: RotationLimits, bytes: number, lineBytes: number): boolean {
  return bytes === 0 || bytes + lineBytes <= limits.maxBytes;
}

/** What is due without traffic. Times are monotonic milliseconds. */
export function dueByTime(
  limits: RotationLimits,
  openedAtMs: number,
  lastActiveMs: number,
  nowMs: number,
): SealReason | null {
  if (nowMs - lastActiveMs >= limits.idleMs) {
    return 'idle';
  }
  return nowMs - openedAtMs >= limits.maxAgeMs ? 'age' : null;
}
