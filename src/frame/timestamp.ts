import { writeNine, writeSix, writeThree } from './json-number.js';

/** Seconds, minutes and hours in two digits: 00 to 59, first digit in the low byte. */
const TWO_DIGITS = new Int16Array(100);
for (let value = 0; value < 100; value++) {
  TWO_DIGITS[value] = 0x3030 + Math.floor(value / 10) + ((value % 10) << 8);
}

const SECONDS_PER_DAY = 86_400;

/**
 * Writes RFC 3339 in UTC as protobuf's JSON mapping has it: `2026-11-21T10:00:00Z`, with 3, 6 or 9 digits of a second
 * where fewer would lose some.
 *
 * The text of the last second is kept: agents that log now share it, and a frame then pays five stores (10 ns).
 */
export class TimestampWriter {
  private lastSeconds = Number.NaN;
  private readonly prefix = new DataView(new ArrayBuffer(24));

  /**
   * @param seconds Unix seconds from year 1 to year 9999, rounded down
   * @param nanos 0 to 999,999,999
   * @param to has 32 bytes of room at `at`
   * @returns where the text ends
   */
  write(seconds: number, nanos: number, to: DataView, at: number): number {
    const prefix = this.prefix;
    if (seconds !== this.lastSeconds) {
      writeSecond(seconds, prefix);
      this.lastSeconds = seconds;
    }
    // 20 bytes.
    to.setInt32(at, prefix.getInt32(0, true), true);
    to.setInt32(at + 4, prefix.getInt32(4, true), true);
    to.setInt32(at + 8, prefix.getInt32(8, true), true);
    to.setInt32(at + 12, prefix.getInt32(12, true), true);
    to.setInt32(at + 16, prefix.getInt32(16, true), true);
    if (nanos === 0) {
      return at + 20;
    }
    to.setUint8(at + 19, 0x2e);
    const end = writeFraction(nanos, to, at + 20);
    to.setUint8(end, 0x5a);
    return end + 1;
  }
}

function writeFraction(nanos: number, to: DataView, at: number): number {
  const micros = (nanos / 1000) | 0;
  if (micros * 1000 !== nanos) {
    return writeNine(nanos, to, at);
  }
  const millis = (micros / 1000) | 0;
  return millis * 1000 === micros ? writeThree(millis, to, at) : writeSix(micros, to, at);
}

/** Writes `2026-11-21T10:00:00Z`, 20 bytes. */
function writeSecond(seconds: number, to: DataView): void {
  const days = Math.floor(seconds / SECONDS_PER_DAY);
  const secondOfDay = seconds - days * SECONDS_PER_DAY;
  writeDate(days, to);
  const hour = (secondOfDay / 3600) | 0;
  const minute = ((secondOfDay - hour * 3600) / 60) | 0;
  to.setUint8(10, 0x54);
  writeTwo(hour, to, 11);
  to.setUint8(13, 0x3a);
  writeTwo(minute, to, 14);
  to.setUint8(16, 0x3a);
  writeTwo(secondOfDay - hour * 3600 - minute * 60, to, 17);
  to.setUint8(19, 0x5a);
}

/**
 * Writes the proleptic Gregorian date, by Howard Hinnant's civil_from_days
 * (https://howardhinnant.github.io/date_algorithms.html): years begin in March, so that a leap day is a year's last.
 * @param days since 1970-01-01, not before year 1
 */
function writeDate(days: number, to: DataView): void {
  const sinceMarchOfYear0 = days + 719_468;
  const era = Math.floor(sinceMarchOfYear0 / 146_097);
  const dayOfEra = sinceMarchOfYear0 - era * 146_097;
  const yearOfEra =
    ((dayOfEra - ((dayOfEra / 1460) | 0) + ((dayOfEra / 36_524) | 0) - ((dayOfEra / 146_096) | 0)) / 365) | 0;
  const dayOfYear = dayOfEra - (365 * yearOfEra + ((yearOfEra / 4) | 0) - ((yearOfEra / 100) | 0));
  const monthFromMarch = ((5 * dayOfYear + 2) / 153) | 0;
  const day = dayOfYear - (((153 * monthFromMarch + 2) / 5) | 0) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const century = (year / 100) | 0;
  writeTwo(century, to, 0);
  writeTwo(year - century * 100, to, 2);
  to.setUint8(4, 0x2d);
  writeTwo(month, to, 5);
  to.setUint8(7, 0x2d);
  writeTwo(day, to, 8);
}

function writeTwo(value: number, to: DataView, at: number): void {
  // Below 100: within the table.
  to.setInt16(at, TWO_DIGITS[value]!, true);
}
