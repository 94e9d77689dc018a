import { TimestampWriter } from './timestamp.js';

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const MINUTE_SECONDS = 60;
const HOUR_SECONDS = 3600;

/**
 * Reads RFC 3339 text as protobuf's JSON mapping has it, keeping nanoseconds.
 * @returns as google.protobuf.Timestamp, nanos counting forward; null when it is none, or names a moment that does not exist
 */
export function parseRfc3339(text: string): { readonly seconds: number; readonly nanos: number } | null {
  const match = RFC_3339.exec(text);
  if (match === null) {
    return null;
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  // Date.UTC takes years below 100 for 19xx, and lets 30 February run on into March.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const offset = Number(match[9] ?? 0) * HOUR_SECONDS + Number(match[10] ?? 0) * MINUTE_SECONDS;
  const exists =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60 &&
    Number(match[9] ?? 0) < 24 &&
    Number(match[10] ?? 0) < 60;
  if (!exists) {
    return null;
  }
  const ofDay = hour * HOUR_SECONDS + minute * MINUTE_SECONDS + second;
  return {
    seconds: date.getTime() / 1000 + ofDay - (match[8] === '-' ? -offset : offset),
    nanos: Number((match[7] ?? '').padEnd(9, '0')),
  };
}

const writer = new TimestampWriter();

/** As stored lines have it: UTC, with 0, 3, 6 or 9 digits of a second. The inverse of parseRfc3339. */
export function formatRfc3339({ seconds, nanos }: { readonly seconds: number; readonly nanos: number }): string {
  const text = Buffer.alloc(32);
  const end = writer.write(seconds, nanos, new DataView(text.buffer, text.byteOffset, text.length), 0);
  return text.toString('latin1', 0, end);
}
