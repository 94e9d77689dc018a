import { performance } from 'node:perf_hooks';

/** @returns what says how much of the time since its last call the event loop was busy, 0 to 1 */
export function loopBusyShare(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
