/** xorshift32 (Marsaglia, 2003), started from a hash of seed, stream and index. */
export class Dice {
  #state: number;

  constructor(seed: number, stream: number, index: number) {
    this.#state = mix(mix(mix(seed) ^ stream) ^ index) || 1;
  }

  /** From 0 to below `sides`. */
  roll(sides: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % sides;
  }

  pick(choices: readonly string[]): string {
    return choices[this.roll(choices.length)] ?? '';
  }
}

/** The finalizer of MurmurHash3 (Appleby): every input bit reaches every output bit. */
function mix(value: number): number {
  let hash = value + 0x9e3779b9;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
