import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyFrame, mutatedFrame } from './arbitrary-frame.js';
import { encode } from './encode.js';
import { decode, mapped } from './protobufjs-oracle.js';
import { reference } from './reference.js';

describe('whatever arrives', () => {
  function agrees(frame: Buffer): void {
    const expected = reference(frame, 7, 1_763_719_200_123);
    const actual = encode(frame, 7, 1_763_719_200_123);
    if ('line' in expected) {
      expect(actual).toEqual({ line: expected.line });
    } else {
      expect(actual).toEqual({ field: expected.field, reason: expect.any(String) });
    }
  }

  it('bytes are stored or refused as the reference has it, never with an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => agrees(Buffer.from(bytes))),
      { numRuns: 3000 },
    );
  });

  it('frames with wrong parts are stored or refused as the reference has it', () => {
    fc.assert(fc.property(anyFrame, agrees), { numRuns: 1500 });
  });

  it('mutated frames are stored or refused as the reference has it', () => {
    fc.assert(fc.property(mutatedFrame, agrees), { numRuns: 4000 });
  });

  it('a frame is stored if and only if protobufjs decodes it and its fields are within the limits', () => {
    let stored = 0;
    let malformed = 0;
    fc.assert(
      fc.property(mutatedFrame, (frame) => {
        // Where protobufjs is known to read other than the specification or logweir does, there is nothing to compare.
        if (reference(frame, 7, 0).quirks.size > 0) {
          return;
        }
        const actual = encode(frame, 7, 0);
        if ('line' in actual) {
          stored++;
          expect(JSON.parse(actual.line)).toEqual(mapped(frame, 7, 0));
        } else if (actual.field === 'frame' || actual.field === 'metadata') {
          malformed++;
          expect(() => decode(frame)).toThrow();
        }
      }),
      { numRuns: 6000 },
    );
    expect(stored).toBeGreaterThan(20);
    expect(malformed).toBeGreaterThan(20);
  });
});
