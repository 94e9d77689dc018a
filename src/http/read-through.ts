import { type LogEvent, LogLines } from '../reading/log-events.js';
import type { LineFilter, LogSource, ReadRequest } from '../reading/log-source.js';
import { nextLine, seqAt } from '../reading/stored-line.js';

/** As `LogSource.read`, up to a seq; ends there without an `end`. */
export async function* readThrough(
  source: LogSource,
  sessionId: string,
  asked: ReadRequest,
  throughSeq: number,
): AsyncGenerator<LogEvent, void> {
  const filter = new RangeFilter(throughSeq, asked.filter ?? null);
  try {
    for await (const event of source.read(sessionId, { ...asked, filter })) {
      if (event.kind === 'gap' && event.firstSeq > throughSeq) {
        return;
      }
      yield event.kind === 'gap' ? { ...event, lastSeq: Math.min(event.lastSeq, throughSeq) } : event;
      if ((event.kind === 'lines' ? event.lines.lastSeq : event.lastSeq) >= throughSeq) {
        return;
      }
    }
  } catch (error) {
    if (!(error instanceof BeyondRange)) {
      throw error;
    }
  }
}

/** Ends a reading from where it looks at lines: what the other filter leaves out never becomes an event. */
class BeyondRange extends Error {}

class RangeFilter implements LineFilter {
  readonly #throughSeq: number;
  readonly #filter: LineFilter | null;

  constructor(throughSeq: number, filter: LineFilter | null) {
    this.#throughSeq = throughSeq;
    this.#filter = filter;
  }

  select(lines: LogLines, signal?: AbortSignal): LogLines | null | Promise<LogLines | null> {
    if (lines.firstSeq > this.#throughSeq) {
      throw new BeyondRange();
    }
    const within = lines.lastSeq <= this.#throughSeq ? lines : this.#cut(lines);
    return this.#filter === null ? within : this.#filter.select(within, signal);
  }

  #cut({ sessionId, firstSeq, bytes }: LogLines): LogLines {
    let end = 0;
    let lastSeq = firstSeq;
    for (let seq: number | null = firstSeq; seq !== null && seq <= this.#throughSeq; seq = seqAt(bytes, end)) {
      lastSeq = seq;
      end = nextLine(bytes, end);
    }
    return new LogLines(sessionId, firstSeq, lastSeq, bytes.subarray(0, end));
  }
}
