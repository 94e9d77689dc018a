import type { TailEvent } from '../client/tail-event.js';
import type { CommandIo } from './command-io.js';
import { humanCount } from './human-units.js';
import { type Format, formatter } from './line-format.js';
import { writeOut } from './log-dir.js';
import { printable } from './printable.js';
import { exitCodeOf } from './server-option.js';

export type EndEvent = Extract<TailEvent, { kind: 'end' }>;

/**
 * Prints lines as they come, at the pace of whoever takes them, and on stderr where there are none any more. Sets the exit code
 * when the user ended it.
 * @returns the end of the session or of what is stored of it; null when the user ended it
 */
export async function printEvents(
  events: AsyncIterable<TailEvent>,
  format: Format,
  io: CommandIo,
  seen: (event: TailEvent) => void = () => undefined,
): Promise<EndEvent | null> {
  const text = formatter(format, io.stdout);
  let end: EndEvent | null = null;
  for await (const event of events) {
    if (io.signal.aborted) {
      break;
    }
    seen(event);
    if (event.kind === 'lines') {
      await writeOut(io.stdout, text(event.bytes));
    } else if (event.kind === 'gap') {
      await writeOut(io.stderr, `logweir: ${rangeOf(event)} gone\n`);
    } else {
      end = event;
    }
  }
  if (io.signal.aborted && end === null) {
    io.setExitCode(exitCodeOf(io.signal));
  }
  return end;
}

function rangeOf({ firstSeq, lastSeq }: { firstSeq: number; lastSeq: number }): string {
  return firstSeq === lastSeq ? `line ${firstSeq} is` : `lines ${firstSeq} to ${lastSeq} are`;
}

/** `completed, exit code 0, last line 1,234` */
export function endClause({ status, exitCode, lastSeq }: EndEvent): string {
  const code = exitCode === null ? '' : `, exit code ${exitCode}`;
  return `${printable(status)}${code}, last line ${humanCount(lastSeq)}`;
}
