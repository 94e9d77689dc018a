import type { Files } from './files.js';

/**
 * fsync of directories, shared by everybody who waits.
 *
 * *Guarantee*: the promise of `sync(d)` resolves after an fsync of `d` that began after the call. Callers that arrive
 * while one runs share the next: creating ten thousand files costs a few fsyncs of their directory, not ten thousand.
 */
export class DirectorySyncer {
  readonly #files: Files;
  readonly #lanes = new Map<string, { running: Promise<void>; next: Promise<void> | null }>();

  constructor(files: Files) {
    this.#files = files;
  }

  sync(directory: string): Promise<void> {
    const lane = this.#lanes.get(directory);
    if (lane === undefined) {
      return this.#start(directory);
    }
    lane.next ??= lane.running.then(
      () => this.#start(directory),
      () => this.#start(directory),
    );
    return lane.next;
  }

  #start(directory: string): Promise<void> {
    const running = this.#files.syncDirectory(directory).finally(() => {
      if (this.#lanes.get(directory)?.next === null) {
        this.#lanes.delete(directory);
      }
    });
    this.#lanes.set(directory, { running, next: null });
    return running;
  }
}
