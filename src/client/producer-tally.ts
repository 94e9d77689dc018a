import type { WriteLogAck__Output as WriteLogAck } from '../grpc/generated/logging/v1/WriteLogAck.js';
import type { Batch } from './pending-batches.js';
import type { ProducerReport, SessionRange } from './producer-report.js';
import type { WriteError } from './write-error.js';

/** What became of a producer's frames, in numbers. */
export class ProducerTally {
  taken = 0;
  /** Taken while the bound was reached for too long, and not kept. */
  lost = 0;
  #takenLines = 0;
  #stored = 0;
  #storedLines = 0;
  #duplicates = 0;
  #refused = 0;
  #refusedLines = 0;
  #refusedAt: number | null = null;
  readonly #ranges = new Map<string, SessionRange>();

  get progress() {
    return {
      taken: this.taken,
      stored: this.#stored,
      takenLines: this.#takenLines,
      storedLines: this.#storedLines,
    };
  }

  /** Frames that the server has answered for. */
  get acknowledged(): number {
    return this.#stored + this.#refused;
  }

  /** Returns the number of the frame, from 1. */
  take(lines: number): number {
    this.#takenLines += lines;
    return ++this.taken;
  }

  /** Counts what an acknowledgement let go of. */
  acknowledge(ack: WriteLogAck, released: readonly Batch[]): void {
    for (const { lines, places, rejected } of released) {
      this.#stored += lines.length - rejected.length;
      this.#storedLines += lines.reduce((sum, count) => sum + count, 0);
      for (const index of rejected) {
        const count = lines[index] ?? 0;
        this.#storedLines -= count;
        this.refuse(places[index] ?? 0, count);
      }
    }
    this.#duplicates += ack.duplicates;
    for (const { session_id: sessionId, first_seq: firstSeq, last_seq: lastSeq } of ack.sessions) {
      this.#ranges.set(sessionId, { sessionId, firstSeq: this.#ranges.get(sessionId)?.firstSeq ?? firstSeq, lastSeq });
    }
  }

  /** Counts a frame that can never be stored. */
  refuse(place: number, lines: number): void {
    this.#refused++;
    this.#refusedLines += lines;
    this.#refusedAt ??= place;
  }

  report(error: WriteError | null): ProducerReport {
    const unconfirmed = this.taken - this.acknowledged;
    return {
      stored: this.#stored,
      storedLines: this.#storedLines,
      duplicates: this.#duplicates,
      unconfirmed,
      // The rest of a line whose beginning is stored is a line, too.
      unconfirmedLines: unconfirmed === 0 ? 0 : Math.max(this.#takenLines - this.#storedLines - this.#refusedLines, 1),
      ranges: [...this.#ranges.values()],
      error,
      refused: this.#refused,
      refusedAt: this.#refusedAt,
    };
  }
}
