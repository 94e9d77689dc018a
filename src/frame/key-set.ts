import type { FrameSource } from './frame-source.js';
import type { EntryReader } from './struct-entry.js';
import { isUtf8 } from './utf8.js';

const SLOTS = 1024;
const KEYS_MAX = SLOTS / 4;
const PROBES_MAX = 8;

/**
 * Tells whether the keys of one object are all different, without an allocation. It errs to one side: equal keys have
 * equal hashes and are always found; keys that differ may be reported too (equal hashes, a crowded table, more than 256
 * keys, no UTF-8), and the caller then looks closer.
 */
export class KeySet {
  /** The object a slot was last used for: starting the next one empties all slots at once. */
  private readonly owners = new Int32Array(SLOTS);
  private readonly hashes = new Int32Array(SLOTS);
  private owner = 0;
  private size = 0;

  /**
   * Whether surely no key of the Struct at `start` comes twice. Stops where the Struct is malformed: who writes it finds
   * that too.
   */
  allDiffer(entry: EntryReader, source: FrameSource, start: number, end: number): boolean {
    this.clear();
    let isFirst = true;
    let position = start;
    while (position < end) {
      position = entry.read(source.bytes, position, end);
      if (position < 0 || (position === end && isFirst)) {
        return true;
      }
      isFirst = false;
      if (entry.isEntry && !this.add(source, entry.keyStart, entry.keyEnd)) {
        return false;
      }
    }
    return true;
  }

  private clear(): void {
    this.size = 0;
    this.owner = (this.owner + 1) | 0;
    if (this.owner <= 0) {
      this.owners.fill(0);
      this.owner = 1;
    }
  }

  /**
   * Adds a key.
   * @returns false when it may equal one that was added before
   */
  private add(source: FrameSource, start: number, end: number): boolean {
    const view = source.view;
    let hash = end - start;
    let seen = 0;
    if (hash < 4) {
      for (let i = start; i < end; i++) {
        const byte = view.getUint8(i);
        seen |= byte;
        hash = (hash << 8) | byte;
      }
    } else {
      for (let i = start; i + 4 < end; i += 4) {
        const word = view.getInt32(i, true);
        seen |= word;
        hash = Math.imul(hash ^ word, 0x9e3779b1);
        hash ^= hash >>> 15;
      }
      // The last four bytes, some of them for the second time.
      const word = view.getInt32(end - 4, true);
      seen |= word;
      hash ^= word;
    }
    hash = Math.imul(hash, 0x9e3779b1);
    hash ^= hash >>> 15;
    // Keys that are no UTF-8 may become equal in the line though their bytes differ.
    if ((seen & 0x80808080) !== 0 && !isUtf8(source.bytes, start, end)) {
      return false;
    }
    return ++this.size <= KEYS_MAX && this.insert(hash);
  }

  private insert(hash: number): boolean {
    let slot = hash & (SLOTS - 1);
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      if (this.owners[slot] !== this.owner) {
        this.owners[slot] = this.owner;
        this.hashes[slot] = hash;
        return true;
      }
      if (this.hashes[slot] === hash) {
        return false;
      }
      slot = (slot + 1) & (SLOTS - 1);
    }
    return false;
  }
}
