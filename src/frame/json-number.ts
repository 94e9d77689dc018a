/**
 * Numbers as JSON has them. All of these may store up to four bytes behind what they return; the caller has reserved
 * room for that.
 */

/** The three digits of 0 to 999, first digit in the lowest byte, ready for one little-endian store. */
const THREE_DIGITS = new Int32Array(1000);
for (let value = 0; value < 1000; value++) {
  const hundreds = Math.floor(value / 100);
  const tens = Math.floor(value / 10) % 10;
  THREE_DIGITS[value] = 0x303030 + hundreds + (tens << 8) + ((value % 10) << 16);
}

/**
 * Writes an integer of 0 to 2^53-1.
 * @returns where it ends
 */
export function writeUnsigned(value: number, to: DataView, at: number): number {
  if (value < 1000) {
    return writeLeading(value, to, at);
  }
  if (value < 1_000_000) {
    const thousands = (value / 1000) | 0;
    const end = writeLeading(thousands, to, at);
    return writeThree(value - thousands * 1000, to, end);
  }
  if (value < 1_000_000_000) {
    const millions = (value / 1_000_000) | 0;
    const end = writeLeading(millions, to, at);
    return writeSix(value - millions * 1_000_000, to, end);
  }
  const billions = Math.floor(value / 1_000_000_000);
  const end = writeUnsigned(billions, to, at);
  return writeNine(value - billions * 1_000_000_000, to, end);
}

/** Writes an integer of -(2^53-1) to 2^53-1. */
export function writeInteger(value: number, to: DataView, at: number): number {
  if (value >= 0) {
    return writeUnsigned(value, to, at);
  }
  to.setUint8(at, 0x2d);
  return writeUnsigned(-value, to, at + 1);
}

/** Writes 0 to 999 in three digits. */
export function writeThree(value: number, to: DataView, at: number): number {
  // Below 1000: within the table.
  to.setInt32(at, THREE_DIGITS[value]!, true);
  return at + 3;
}

/** Writes 0 to 999,999 in six digits. */
export function writeSix(value: number, to: DataView, at: number): number {
  const thousands = (value / 1000) | 0;
  return writeThree(value - thousands * 1000, to, writeThree(thousands, to, at));
}

/** Writes 0 to 999,999,999 in nine digits. */
export function writeNine(value: number, to: DataView, at: number): number {
  const millions = (value / 1_000_000) | 0;
  return writeSix(value - millions * 1_000_000, to, writeThree(millions, to, at));
}

/** Writes 0 to 999 without leading zeros. */
function writeLeading(value: number, to: DataView, at: number): number {
  const digits = THREE_DIGITS[value]!;
  if (value < 10) {
    to.setUint8(at, digits >>> 16);
    return at + 1;
  }
  if (value < 100) {
    to.setInt32(at, digits >>> 8, true);
    return at + 2;
  }
  to.setInt32(at, digits, true);
  return at + 3;
}

/**
 * Writes a double as protobuf's JSON mapping does: the shortest digits that read back as the same double, -0 as `-0`,
 * and "NaN", "Infinity", "-Infinity" as strings.
 */
export function writeDouble(value: number, to: DataView, at: number): number {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    return writeInteger(value, to, at);
  }
  if (value === 0) {
    return writeAscii('-0', to, at);
  }
  return writeAscii(Number.isFinite(value) ? String(value) : `"${value}"`, to, at);
}

function writeAscii(text: string, to: DataView, at: number): number {
  for (let i = 0; i < text.length; i++) {
    to.setUint8(at + i, text.charCodeAt(i));
  }
  return at + text.length;
}
