/**
 * What agents wrote, made safe to show: control and escape sequences could move the cursor, retitle the terminal or hide
 * text, bidirectional overrides could reorder it.
 */
// By category: Cc are C0, DEL and C1; Cf holds the bidirectional overrides (and the joiners of emoji, which is a fair
// price); then line and paragraph separators.
const CONTROL = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
const CONTROL_IN_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\u2028\u2029]/gu;

const NAMES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\u001b': '\\e' };

/** One line of text without anything that a terminal acts upon. */
export function printable(text: string): string {
  return text.replace(CONTROL, escaped);
}

/** The same for text of several lines: line feeds and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(CONTROL_IN_LINES, escaped);
}

function escaped(char: string): string {
  return NAMES[char] ?? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
}
