/**
 * Bytes that grow at the end: what a session's lines are encoded into, and what is written from.
 *
 * The encoder writes at `bytes[length…]` after `reserve`, then moves `length`; a frame that turns out to be invalid
 * half-way is undone by leaving `length` where it was.
 */
export class LineBuffer {
  bytes: Buffer;
  /** Bytes in use. */
  length = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /**
   * Makes room for `extra` bytes behind `used`. May replace `bytes`, so read it again afterwards.
   * @param used bytes that must survive, at least `length`
   */
  reserve(used: number, extra: number): void {
    const needed = used + extra;
    if (needed <= this.bytes.length) {
      return;
    }
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, used);
    this.bytes = grown;
  }
}
