import { writeFour, writeThree, writeTwo } from './numbers';

export const TIME_SECONDS_MIN: i64 = -62135596800;
export const TIME_SECONDS_MAX: i64 = 253402300799;
export const NANOS_MAX: i64 = 999999999;

/** `2026-11-21T10:00:00` of the last second: agents that log now share it. */
const SECOND: usize = memory.data(32, 16);
let lastSeconds: i64 = i64.MIN_VALUE;

/** Writes RFC 3339 in UTC, with 0, 3, 6 or 9 digits of a second, for years 1 to 9999. */
export function writeTime(seconds: i64, nanos: u32, o: usize): usize {
  if (seconds != lastSeconds) {
    setSecond(seconds);
  }
  v128.store(o, v128.load(SECOND));
  v128.store(o + 16, v128.load(SECOND + 16));
  o += 19;
  if (nanos != 0) {
    store<u8>(o, 0x2e);
    const micros = nanos / 1000;
    const millis = micros / 1000;
    writeThree(millis, o + 1);
    o += 4;
    if (millis * 1000000 != nanos) {
      writeThree(micros - millis * 1000, o);
      o += 3;
      if (micros * 1000 != nanos) {
        writeThree(nanos - micros * 1000, o);
        o += 3;
      }
    }
  }
  store<u8>(o, 0x5a);
  return o + 1;
}

function setSecond(seconds: i64): void {
  lastSeconds = seconds;
  let days = seconds / 86400;
  let second = seconds - days * 86400;
  if (second < 0) {
    days--;
    second += 86400;
  }
  setDate(days);
  const ofDay = <u32>second;
  const hour = ofDay / 3600;
  const minute = (ofDay - hour * 3600) / 60;
  store<u8>(SECOND + 10, 0x54);
  writeTwo(hour, SECOND + 11);
  store<u8>(SECOND + 13, 0x3a);
  writeTwo(minute, SECOND + 14);
  store<u8>(SECOND + 16, 0x3a);
  writeTwo(ofDay - hour * 3600 - minute * 60, SECOND + 17);
}

/** The proleptic Gregorian date of a day since 1970, by Howard Hinnant's civil_from_days, as in src/frame/timestamp.ts. */
function setDate(days: i64): void {
  const sinceMarchOfYear0 = days + 719468;
  const era = (sinceMarchOfYear0 >= 0 ? sinceMarchOfYear0 : sinceMarchOfYear0 - 146096) / 146097;
  const dayOfEra = sinceMarchOfYear0 - era * 146097;
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365;
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const monthFromMarch = (5 * dayOfYear + 2) / 153;
  const day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  writeFour(<u32>(yearOfEra + era * 400 + <i64>(month <= 2)), SECOND);
  store<u8>(SECOND + 4, 0x2d);
  writeTwo(<u32>month, SECOND + 5);
  store<u8>(SECOND + 7, 0x2d);
  writeTwo(<u32>day, SECOND + 8);
}
