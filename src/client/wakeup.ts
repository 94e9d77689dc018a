/** Something to wait on: `sleep` ends at the next `wake`, or when its time is up. Who waits then looks for itself. */
export class Wakeup {
  readonly #sleepers = new Set<() => void>();

  sleep(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(wake, ms);
      this.#sleepers.add(wake);
    });
  }

  wake(): void {
    for (const wake of this.#sleepers) {
      wake();
    }
  }
}
