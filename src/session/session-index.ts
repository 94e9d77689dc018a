import { randomInt } from 'node:crypto';
import { equalBytes } from '../frame/bytes.js';
import type { SessionWriter } from './session-writer.js';

/**
 * Finds a session's writer by the bytes of its id as they stand in a frame, without making a string of them: a string and
 * its hash cost about 120 ns a frame, this about 30.
 */
export class SessionIndex {
  /** Writers whose ids share a hash are chained by `nextInSlot`. */
  readonly #slots = new Map<number, SessionWriter>();
  /** Unknown to clients, so that nobody can choose ids that share a slot. */
  readonly #seed = randomInt(0x7fffffff);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  find(bytes: Uint8Array, start: number, end: number): SessionWriter | null {
    let writer = this.#slots.get(this.#hash(bytes, start, end)) ?? null;
    while (writer !== null && !equalBytes(writer.idBytes, bytes, start, end)) {
      writer = writer.nextInSlot;
    }
    return writer;
  }

  /** The writer's id must not be in the index yet. */
  add(writer: SessionWriter): void {
    const slot = this.#hash(writer.idBytes, 0, writer.idBytes.length);
    writer.nextInSlot = this.#slots.get(slot) ?? null;
    this.#slots.set(slot, writer);
    this.#size++;
  }

  remove(writer: SessionWriter): void {
    const slot = this.#hash(writer.idBytes, 0, writer.idBytes.length);
    let before = this.#slots.get(slot) ?? null;
    if (before === writer) {
      if (writer.nextInSlot === null) {
        this.#slots.delete(slot);
      } else {
        this.#slots.set(slot, writer.nextInSlot);
      }
      this.#size--;
      return;
    }
    while (before !== null) {
      if (before.nextInSlot === writer) {
        before.nextInSlot = writer.nextInSlot;
        this.#size--;
        return;
      }
      before = before.nextInSlot;
    }
  }

  *[Symbol.iterator](): IterableIterator<SessionWriter> {
    for (const first of this.#slots.values()) {
      for (let writer: SessionWriter | null = first; writer !== null; ) {
        const next: SessionWriter | null = writer.nextInSlot;
        yield writer;
        writer = next;
      }
    }
  }

  /** FNV-1a (Fowler, Noll, Vo), 32 bits, from a random start. */
  #hash(bytes: Uint8Array, start: number, end: number): number {
    let hash = 0x811c9dc5 ^ this.#seed;
    for (let at = start; at < end; at++) {
      hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
    }
    return hash;
  }
}
