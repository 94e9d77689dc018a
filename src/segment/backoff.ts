export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Pause before the next try after `failures` failures in a row (1, 2, …): doubled each time up to a cap. */
export function backoffMs(failures: number, limits: BackoffLimits): number {
  return Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(failures - 1, 30));
}
