/** Figures as people read them; the same on every machine, whatever its locale. */
const GROUPED = new Intl.NumberFormat('en-US');
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `5,231` */
export function humanCount(count: number): string {
  return GROUPED.format(count);
}

/** `1 line`, `5,231 lines` */
export function humanLines(count: number): string {
  return `${humanCount(count)} ${count === 1 ? 'line' : 'lines'}`;
}

/** `812 B`, `1.2 MiB`, `64 MiB` */
export function humanBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '');
  return `${digits} ${BYTE_UNITS[unit]}`;
}

/** `7s`, `2m05s`, `1h02m` */
export function humanElapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) {
    return `${seconds}s`;
  }
  const two = (value: number) => String(value).padStart(2, '0');
  return minutes < 60
    ? `${minutes}m${two(seconds % 60)}s`
    : `${humanCount(Math.floor(minutes / 60))}h${two(minutes % 60)}m`;
}
