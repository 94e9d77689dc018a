/** A writer whose file may be closed to make room. */
export interface OpenFileOwner {
  /** True while an operation on the file is under way or due next. */
  readonly busy: boolean;
  /** Closing the file takes an fsync of its directory. */
  readonly nameUnsynced: boolean;
  /** Syncs and closes the file; must not reject. */
  closeFile(): Promise<void>;
}

/**
 * The bound on open segment files: the least recently used one is synced and closed, never sealed, to make room.
 *
 * An owner that is busy is passed over. At most as many owners are busy as there are places in the write and sync lanes,
 * which is less than the smallest bound that the configuration allows, so somebody can always be closed.
 */
export class OpenFiles {
  readonly #max: number;
  /** In the order of use; a Set keeps insertion order. */
  readonly #owners = new Set<OpenFileOwner>();

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#owners.size;
  }

  /** Makes room for one more file and takes the place. */
  async acquire(owner: OpenFileOwner): Promise<void> {
    while (this.#owners.size >= this.#max && (await this.closeOne())) {
      // One more place is free.
    }
    this.#owners.add(owner);
  }

  /** Syncs and closes the least recently used file; with `named`, of those whose name is durable. Resolves to false when there is none that can be closed. */
  async closeOne(named = false): Promise<boolean> {
    const victim = this.#leastRecentlyUsed(named);
    if (victim === null) {
      return false;
    }
    this.#owners.delete(victim);
    await victim.closeFile();
    return true;
  }

  touch(owner: OpenFileOwner): void {
    if (this.#owners.delete(owner)) {
      this.#owners.add(owner);
    }
  }

  release(owner: OpenFileOwner): void {
    this.#owners.delete(owner);
  }

  #leastRecentlyUsed(named: boolean): OpenFileOwner | null {
    for (const owner of this.#owners) {
      if (!owner.busy && !(named && owner.nameUnsynced)) {
        return owner;
      }
    }
    return null;
  }
}
