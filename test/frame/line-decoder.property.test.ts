import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NotALine } from '../../src/frame/json-reader.js';
import { LineDecoder } from '../../src/frame/line-decoder.js';
import { WireReader } from '../../src/frame/wire.js';
import { WireWriter } from '../../src/frame/wire-writer.js';
import { storableFrame } from './arbitrary-frame.js';
import { encodeLine } from './encode.js';
import { mapped } from './protobufjs-oracle.js';
import * as wire from './wire-writer.js';

const decoder = new LineDecoder();
const seqs = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const serverTimes = fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 });

/** The LogFrame of a line that stands among others, as the service decodes it. */
function frameOf(line: string): Buffer {
  const before = Buffer.from('{"seq":1,"time":"2026-11-21T10:00:00Z","session_id":"s"}\n');
  const bytes = Buffer.from(line);
  const to = new WireWriter(16);
  to.bytes.write('before');
  to.length = 6;
  decoder.load(Buffer.concat([before, bytes, before]));
  decoder.decode(before.length, before.length + bytes.length, 1, to);
  expect(to.bytes.toString('latin1', 0, 6)).toBe('before');
  const reader = new WireReader();
  const content = reader.readTag(to.bytes, 6, to.length);
  expect(reader.tag).toBe((1 << 3) | 2);
  expect(reader.readDelimited(to.bytes, content, to.length)).toBe(to.length);
  return Buffer.from(to.bytes.subarray(reader.payload, to.length));
}

describe('the frame of a stored line', () => {
  it('is stored as the same line again, byte for byte', () => {
    fc.assert(
      fc.property(storableFrame, seqs, serverTimes, (sent, seq, serverTimeMs) => {
        const line = encodeLine(sent, seq, serverTimeMs);
        expect(encodeLine(frameOf(line), seq, 0)).toBe(line);
      }),
      { numRuns: 2000 },
    );
  });

  it('is read by protobufjs as what the line says, its number with it', () => {
    fc.assert(
      fc.property(storableFrame, seqs, serverTimes, (sent, seq, serverTimeMs) => {
        const line = encodeLine(sent, seq, serverTimeMs);
        const frame = frameOf(line);
        expect(mapped(frame, seq, 0)).toEqual(JSON.parse(line));
        expect(frame.includes(wire.varintField(6, seq))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('holds numbers that JSON does not have as strings', () => {
    const sent = wire.join(
      wire.delimited(3, 's'),
      wire.delimited(
        8,
        wire.join(wire.entry('nan', wire.value.number(Number.NaN)), wire.entry('zero', wire.value.number(-0))),
      ),
    );
    const frame = frameOf(encodeLine(sent));
    expect(frame.includes(wire.entry('nan', wire.value.string('NaN')))).toBe(true);
    expect(frame.includes(wire.entry('zero', wire.value.number(-0)))).toBe(true);
  });

  it('is refused, and nothing else happens, when the bytes are no stored line', () => {
    const line = encodeLine(
      wire.join(
        wire.delimited(3, 's'),
        wire.delimited(7, 'a"\n\u0085é'),
        wire.delimited(8, wire.join(wire.entry('k', wire.value.list(wire.value.bool(true), wire.value.number(1.5))))),
        wire.varintField(1, -3),
      ),
    );
    fc.assert(
      fc.property(fc.nat({ max: line.length - 1 }), fc.nat({ max: 255 }), fc.boolean(), (at, byte, cut) => {
        const bytes = Buffer.from(line, 'latin1');
        bytes[at] = byte;
        try {
          const frame = frameOf((cut ? bytes.subarray(0, at) : bytes).toString('latin1'));
          encodeLine(frame);
        } catch (error) {
          expect(error instanceof NotALine || /^(time|frame|session_id|seq)/.test((error as Error).message)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    '',
    '{}\n',
    '{"seq":1}\n',
    `{"seq":1,"time":"2026-11-21T10:00:00Z","session_id":"s","metadata":${'['.repeat(200_000)}\n`,
  ])('is refused: %.40j', (line) => {
    expect(() => frameOf(line)).toThrow(NotALine);
  });
});
