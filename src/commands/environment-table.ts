import { variables } from '../config-variables.js';

const WIDTH = 100;

/** The environment variables for a terminal: name, default, and the description wrapped beneath. */
export function environmentTable(): string {
  const nameWidth = Math.max(...variables.map(({ name }) => name.length));
  return variables
    .map(({ name, defaultText, description }) =>
      [
        `  ${name.padEnd(nameWidth)}  ${defaultText}`,
        ...wrap(description, WIDTH - 6).map((line) => `      ${line}`),
      ].join('\n'),
    )
    .join('\n');
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
