/**
 * Bytes that grow at the end: what a session's lines are encoded into, and what is written from.
 *
 * The encoder writes at `bytes[length…]` after `reserve`, then moves `length`; a frame that turns out to be invalid
 * half-way is undone by leaving `length` where it was.
 */
export class LineBuffer {
  bytes: Buffer;
  /** The same memory as `bytes`, for stores of four and eight bytes. */
  view: DataView;
  /** Bytes in use. */
  length = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
    this.view = viewOf(this.bytes);
  }

  /**
   * Makes room for `extra` bytes behind `used`. May replace `bytes` and `view`, so read them again afterwards.
   * @param used bytes that must survive, at least `length`
   */
  reserve(used: number, extra: number): void {
    if (used + extra > this.bytes.length) {
      this.grow(used, used + extra);
    }
  }

  private grow(used: number, needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, used);
    this.bytes = grown;
    this.view = viewOf(grown);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
