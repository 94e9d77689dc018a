import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineBuffer } from '../../src/frame/line-buffer.js';

describe('a buffer of lines', () => {
  it('has behind one another all that was appended, of whatever length and at whatever place', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 1500, size: 'max' }), { maxLength: 8 });
    fc.assert(
      fc.property(pieces, fc.nat({ max: 9 }), (appended, offset) => {
        const out = new LineBuffer(1);
        for (const piece of appended) {
          // As lines stand in the encoder's memory: somewhere, with other bytes behind.
          const source = Buffer.alloc(offset + piece.length + 8, 0xee);
          source.set(piece, offset);
          out.append(new DataView(source.buffer, source.byteOffset + offset), piece.length);
        }
        expect(out.bytes.subarray(0, out.length).equals(Buffer.concat(appended))).toBe(true);
      }),
    );
  });
});
