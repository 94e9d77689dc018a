/** How stored lines are printed. */
import pc from 'picocolors';
import { type StoredFrame, splitLines } from '../reading/parsed-lines.js';
import type { OutputStream } from './command-io.js';
import { printable, printableLines } from './printable.js';

export const FORMATS = ['json', 'text', 'raw'] as const;
export type Format = (typeof FORMATS)[number];

export const FORMATS_HELP = `Formats:
  json   the stored lines, byte for byte
  text   [2025-11-15 17:14:50] role content, times in UTC; on a terminal control characters are made visible, and roles
         and levels have colours (not with NO_COLOR)
  raw    the contents, one after the other: after \`logweir run\`, exactly what the command printed (if it was UTF-8)`;

type Colors = ReturnType<typeof pc.createColors>;

/** @param out where the lines will stand: a terminal is protected from them, and coloured */
export function formatter(format: Format, out: OutputStream): (lines: Buffer) => string | Buffer {
  const isTerminal = out.isTTY === true;
  const colors = colorsOf(out);
  const formats: Record<Format, (lines: Buffer) => string | Buffer> = {
    json: (lines) => lines,
    raw: (lines) => mapLines(lines, (line) => line.content ?? ''),
    text: (lines) => mapLines(lines, (line) => textLine(line, isTerminal, colors)),
  };
  return formats[format];
}

/** Plain where `out` is no terminal, and where NO_COLOR says so. */
export function colorsOf(out: OutputStream): Colors {
  return pc.createColors(out.isTTY === true && pc.isColorSupported);
}

function mapLines(lines: Buffer, format: (line: StoredFrame) => string): string {
  return splitLines(lines)
    .map(({ frame }) => format(frame))
    .join('');
}

function textLine(line: StoredFrame, isTerminal: boolean, colors: Colors): string {
  const stamp = `[${line.time.slice(0, 19).replace('T', ' ')}] `;
  const role = line.role === undefined ? '' : `${colorOfRole(line.role, colors)(printable(line.role))} `;
  // The terminator that `logweir run` keeps is this line's own end; further lines are indented, so that no content can
  // pass itself off as another frame.
  const content = (line.content ?? '').replace(/\r?\n$/, '');
  const shown = isTerminal ? printableLines(content) : content;
  const color = colorOfLevel(line.metadata?.level, colors);
  const rows = shown.split('\n').map((row) => (row === '' ? row : color(row)));
  return `${colors.dim(stamp)}${role}${rows.join(`\n${' '.repeat(stamp.length)}`)}\n`;
}

const ROLE_COLORS = [
  'cyan',
  'green',
  'magenta',
  'blue',
  'cyanBright',
  'greenBright',
  'magentaBright',
  'blueBright',
] as const;

/** The same role has the same colour, today and tomorrow. */
function colorOfRole(role: string, colors: Colors): (text: string) => string {
  let hash = 0;
  for (const byte of Buffer.from(role)) {
    hash = (hash * 31 + byte) >>> 0;
  }
  return colors[ROLE_COLORS[hash % ROLE_COLORS.length] ?? 'cyan'];
}

function colorOfLevel(level: unknown, colors: Colors): (text: string) => string {
  const name = typeof level === 'string' ? level.toLowerCase() : '';
  if (/^(emerg|alert|crit|panic|fatal|err)/.test(name)) {
    return colors.red;
  }
  if (name.startsWith('warn')) {
    return colors.yellow;
  }
  return /^(debug|trace|verbose)/.test(name) ? colors.dim : String;
}
