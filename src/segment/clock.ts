/** Time comes in through here, so that a test can make it jump. */
export interface Clock {
  /** Monotonic, milliseconds with fractions: for intervals. */
  monotonicMs(): number;
  /** Wall clock, Unix milliseconds: for stamps. */
  wallMs(): number;
  /** Calls `run` every `intervalMs` until the returned function is called; does not keep the process alive. */
  every(intervalMs: number, run: () => void): () => void;
  /** Calls `run` once after `delayMs` unless the returned function is called first; does not keep the process alive. */
  after(delayMs: number, run: () => void): () => void;
  /** Calls `run` once after the current turn of the event loop, whatever the time. */
  soon(run: () => void): void;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  every(intervalMs, run) {
    const timer = setInterval(run, intervalMs).unref();
    return () => clearInterval(timer);
  },
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs).unref();
    return () => clearTimeout(timer);
  },
  soon(run) {
    setImmediate(run);
  },
};
