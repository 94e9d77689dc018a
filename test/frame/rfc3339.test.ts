import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRfc3339 } from '../../src/frame/rfc3339.js';

describe('parseRfc3339', () => {
  it.each([
    ['1970-01-01T00:00:00Z', 0, 0],
    ['2026-11-21T10:00:00.123456789Z', 1795255200, 123_456_789],
    ['2026-11-21T11:30:00.5+01:30', 1795255200, 500_000_000],
    ['2026-11-21t08:30:00-01:30', 1795255200, 0],
    ['1969-12-31T23:59:59.9Z', -1, 900_000_000],
    ['0001-01-01T00:00:00Z', -62_135_596_800, 0],
    ['9999-12-31T23:59:59.999999999Z', 253_402_300_799, 999_999_999],
    ['2024-02-29T00:00:00Z', 1709164800, 0],
  ])('%s', (text, seconds, nanos) => {
    expect(parseRfc3339(text)).toEqual({ seconds, nanos });
  });

  it.each([
    '',
    '2026-11-21',
    '2026-11-21T10:00:00',
    '2026-11-21 10:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-11-21T24:00:00Z',
    '2026-11-21T10:60:00Z',
    '2026-11-21T10:00:00.Z',
    '2026-11-21T10:00:00.1234567890Z',
    '2026-11-21T10:00:00+25:00',
  ])('refuses %j', (text) => {
    expect(parseRfc3339(text)).toBeNull();
  });

  it('reads back what Date writes', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          const seconds = Math.floor(date.getTime() / 1000);
          const nanos = (date.getTime() - seconds * 1000) * 1e6;
          expect(parseRfc3339(date.toISOString())).toEqual({ seconds, nanos });
        },
      ),
    );
  });
});
