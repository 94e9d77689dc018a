import type { Random } from './random.js';

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly length: number };

/**
 * The bytes of one file: what a process sees, and what would be there after a power cut.
 *
 * *Power cut*: what was changed since the last sync is gone, there, there up to any byte, or there in pieces, with NULs where
 * the size was committed and the data was not.
 * *Failed sync*: the changes are not pending any more, and are lost: the next sync has nothing to do, and says OK.
 */
export class FileContent {
  #seen: Buffer = Buffer.alloc(0);
  #durable: Buffer = Buffer.alloc(0);
  #pending: Change[] = [];

  get bytes(): Buffer {
    return this.#seen;
  }

  /** Changes that a sync that begins now would have to make durable. */
  get pending(): number {
    return this.#pending.length;
  }

  write(position: number, bytes: Buffer): void {
    this.#change({ kind: 'write', position, bytes });
  }

  truncate(length: number): void {
    this.#change({ kind: 'truncate', length });
  }

  /** Makes the first `count` pending changes durable. */
  sync(count: number): void {
    for (const change of this.#pending.splice(0, count)) {
      this.#durable = applied(this.#durable, change);
    }
  }

  /** A sync failed: what was pending was dropped, and what is on the platter shows through or not. */
  failSync(random: Random): void {
    this.#durable = this.#afterLoss(random);
    this.#pending = [];
    if (random.chance(0.5)) {
      this.#seen = this.#durable;
    }
  }

  powerCut(random: Random): void {
    if (this.#pending.length > 0) {
      this.#durable = this.#afterLoss(random);
      this.#pending = [];
    }
    this.#seen = this.#durable;
  }

  #change(change: Change): void {
    this.#pending.push(change);
    this.#seen = applied(this.#seen, change);
  }

  #afterLoss(random: Random): Buffer {
    switch (random.between(0, 4)) {
      case 0:
        return this.#durable;
      case 1:
        return this.#pending.reduce(applied, this.#durable);
      case 2:
        return this.#tornAt(random, random.between(0, this.#pending.length - 1));
      default:
        return this.#inPieces(random, random.pick([0, 0.3, 0.7]));
    }
  }

  /** Everything before the change number `at`, and that one up to any byte. */
  #tornAt(random: Random, at: number): Buffer {
    const before = this.#pending.slice(0, at).reduce(applied, this.#durable);
    const torn = this.#pending[at];
    if (torn?.kind !== 'write') {
      return before;
    }
    const bytes = torn.bytes.subarray(0, random.between(0, torn.bytes.length));
    return applied(before, { ...torn, bytes });
  }

  /** The size was committed; of the data, only some. */
  #inPieces(random: Random, kept: number): Buffer {
    let bytes = this.#durable;
    for (const change of this.#pending) {
      const arrived = change.kind === 'truncate' || random.chance(kept);
      bytes = applied(bytes, arrived ? change : { ...change, bytes: Buffer.alloc(0) });
      if (change.kind === 'write' && bytes.length < change.position + change.bytes.length) {
        bytes = applied(bytes, { kind: 'truncate', length: change.position + change.bytes.length });
      }
    }
    return bytes;
  }
}

function applied(bytes: Buffer, change: Change): Buffer {
  if (change.kind === 'truncate') {
    return change.length <= bytes.length ? bytes.subarray(0, change.length) : grown(bytes, change.length);
  }
  if (change.bytes.length === 0) {
    return bytes;
  }
  const next = grown(bytes, Math.max(bytes.length, change.position + change.bytes.length));
  change.bytes.copy(next, change.position);
  return next;
}

/** A copy, with NULs behind it. */
function grown(bytes: Buffer, length: number): Buffer {
  const next = Buffer.alloc(length);
  bytes.copy(next);
  return next;
}
