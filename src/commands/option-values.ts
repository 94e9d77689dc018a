/** Values of options that several commands have. All of these throw InvalidArgumentError, for commander. */
import { InvalidArgumentError } from 'commander';
import { parseRfc3339 } from '../frame/rfc3339.js';

export interface Moment {
  readonly seconds: number;
  readonly nanos: number;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const DURATION = /^(?:\d+[smhd])+$/;

export function parseCount(value: string): number {
  const count = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(count)) {
    throw new InvalidArgumentError('expected a whole number, 0 or more.');
  }
  return count;
}

/** As many lines as a request can ask for. */
export function parseLineCount(value: string): number {
  const count = parseCount(value);
  if (count >= 2 ** 32) {
    throw new InvalidArgumentError('expected a whole number, at most 4294967295.');
  }
  return count;
}

/** `10m`, `1h30m`, `2d` before now; or RFC 3339. */
export function parseMoment(value: string): Moment {
  if (DURATION.test(value)) {
    let seconds = 0;
    for (const [, count = '', unit = ''] of value.matchAll(/(\d+)([smhd])/g)) {
      seconds += Number(count) * (UNIT_SECONDS[unit] ?? 0);
    }
    const ms = Math.max(0, Date.now() - seconds * 1000);
    return { seconds: Math.floor(ms / 1000), nanos: Math.floor(ms % 1000) * 1_000_000 };
  }
  const moment = parseRfc3339(value);
  if (moment === null) {
    throw new InvalidArgumentError('expected a duration like 10m or 1h30m, or a time like 2026-11-21T10:00:00Z.');
  }
  return moment;
}

/** `a,b`, and given again. */
export function collectList(value: string, before: readonly string[] = []): readonly string[] {
  const items = value.split(',').map((item) => item.trim());
  if (items.includes('')) {
    throw new InvalidArgumentError('expected names with commas between them, like error,warn.');
  }
  return [...before, ...items];
}
