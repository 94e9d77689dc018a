import * as fc from 'fast-check';
import { anyFrame, mutatedFrame, storableFrame } from '../frame/arbitrary-frame.js';
import * as wire from '../frame/wire-writer.js';

/** Numbers that a seed repeats (mulberry32). */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Frames that no serializer would write: deep metadata, groups, numbers too large, broken UTF-8, control characters. */
function hostileFrames(): Buffer[] {
  const id = wire.delimited(3, 'hostile');
  let deep = wire.value.string('bottom');
  for (let depth = 0; depth < 120; depth++) {
    deep = wire.value.struct(wire.entry('k', deep));
  }
  let groups: Buffer = Buffer.alloc(0);
  for (let depth = 0; depth < 120; depth++) {
    groups = wire.group(99, groups);
  }
  return [
    wire.join(id, wire.delimited(8, wire.entry('k', deep))),
    wire.join(id, groups),
    wire.join(id, wire.tag(99, 3)),
    wire.join(id, wire.paddedVarint(7, 10), Buffer.alloc(20, 0xff)),
    wire.join(id, wire.varintField(6, 2n ** 64n - 1n), wire.varintField(6, 0)),
    wire.join(id, wire.delimited(7, Buffer.from([0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xff]))),
    wire.join(id, wire.delimited(7, '\u0000\n\r\u001b[2J\u2028\u2029"\\')),
    wire.join(id, wire.delimited(7, 'x'), wire.delimited(7, 'y'), wire.delimited(3, 'again')),
    wire.join(wire.varintField(3, 7), wire.doubleField(7, 1), wire.fixed32Field(8, Buffer.alloc(4))),
    wire.join(id, wire.delimited(2, wire.timestamp(2n ** 62n, -1))),
    wire.join(id, wire.delimited(8, wire.entry('nan', wire.value.number(Number.NaN)))),
    Buffer.alloc(0),
  ];
}

/** Messages for a server that must stand everything: a corpus of frames, right and wrong, with bytes changed. */
export class Mutations {
  readonly random: (below: number) => number;
  readonly #corpus: readonly Buffer[];

  constructor(seed: number) {
    this.random = randomOf(seed);
    const sample = (frames: fc.Arbitrary<Buffer>): Buffer[] => fc.sample(frames, { seed, numRuns: 500 });
    this.#corpus = [...sample(storableFrame), ...sample(anyFrame), ...sample(mutatedFrame), ...hostileFrames()];
  }

  frame(): Buffer {
    const base = this.#corpus[this.random(this.#corpus.length)] ?? Buffer.alloc(0);
    return this.random(4) === 0 ? base : this.mutated(base);
  }

  /** Up to three changes: a bit, a byte, a cut, a piece twice or away, a length that lies. */
  mutated(bytes: Buffer): Buffer {
    let result = Buffer.from(bytes);
    for (let change = this.random(3); change >= 0; change--) {
      result = this.#changed(result);
    }
    return result;
  }

  noise(lengthMax: number): Buffer {
    return Buffer.from(Array.from({ length: this.random(lengthMax) }, () => this.random(256)));
  }

  #changed(bytes: Buffer): Buffer<ArrayBuffer> {
    const at = this.random(bytes.length + 1);
    const to = Math.min(bytes.length, at + this.random(12));
    const [before, piece, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
    switch (this.random(6)) {
      case 0:
        return Buffer.concat([before, piece.map((byte) => byte ^ (1 << this.random(8))), after]);
      case 1:
        return Buffer.concat([before, after]);
      case 2:
        return Buffer.concat([before, piece, piece, after]);
      case 3:
        return Buffer.from(before);
      case 4:
        return Buffer.concat([before, this.noise(6), after]);
      default:
        return Buffer.concat([before, wire.varint(2n ** BigInt(this.random(64))), after]);
    }
  }
}
