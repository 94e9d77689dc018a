import { type Completion, type LogEvent, LogLines } from '../../src/reading/log-events.js';
import type { FirehoseEvent, LineFilter, LogSource, ReadRequest } from '../../src/reading/log-source.js';
import { ReadingError } from '../../src/reading/reading-error.js';

interface Stored {
  events: LogEvent[];
  lastSeq: number;
  completion: Completion | null;
  failure: Error | null;
}

/** Sessions in memory, each chunk an event of its own: what a door does with events is tested here, how they are read elsewhere. */
export class MemoryLogs implements LogSource {
  readonly #sessions = new Map<string, Stored>();
  readonly #waiting = new Set<() => void>();
  readonly #all: FirehoseEvent[] = [];
  /** Readings under way. */
  open = 0;
  /** Chunks that were looked at for readers, whatever their filters made of them. */
  taken = 0;

  /** Appends a chunk of lines. */
  append(sessionId: string, ...contents: string[]): void {
    const session = this.#session(sessionId);
    const firstSeq = session.lastSeq + 1;
    const lines = contents.map((content) => {
      session.lastSeq++;
      const time = '2026-11-21T10:00:00Z';
      return `${JSON.stringify({ seq: session.lastSeq, time, session_id: sessionId, role: 'stdout', content })}\n`;
    });
    this.#add(sessionId, {
      kind: 'lines',
      lines: new LogLines(sessionId, firstSeq, session.lastSeq, Buffer.from(lines.join(''))),
    });
  }

  /** The next `count` seqs are gone. */
  lose(sessionId: string, count: number): void {
    const session = this.#session(sessionId);
    const firstSeq = session.lastSeq + 1;
    session.lastSeq += count;
    this.#add(sessionId, { kind: 'gap', firstSeq, lastSeq: session.lastSeq });
  }

  complete(sessionId: string, status = 'completed', exitCode: number | null = 0): void {
    const session = this.#session(sessionId);
    session.completion = { status, exitCode, lastSeq: session.lastSeq };
    this.#all.push({ kind: 'end', lastSeq: session.lastSeq, completion: session.completion, sessionId });
    this.#wake();
  }

  /** Whoever has read so far meets it. */
  fail(sessionId: string, error: Error): void {
    this.#session(sessionId).failure = error;
    this.#wake();
  }

  async *read(sessionId: string, request: ReadRequest): AsyncGenerator<LogEvent, void> {
    const { follow = false, filter = null, signal } = request;
    const session = this.#sessions.get(sessionId);
    if (session === undefined) {
      throw new ReadingError('UNKNOWN_SESSION', `there is no session ${JSON.stringify(sessionId)}`);
    }
    const afterSeq = request.tail === undefined ? (request.afterSeq ?? 0) : session.lastSeq - request.tail;
    this.open++;
    try {
      for (let next = 0; signal?.aborted !== true; ) {
        const event = session.events[next];
        if (event !== undefined) {
          next++;
          this.taken++;
          const passed = await select(event, afterSeq, filter);
          if (passed !== null) {
            yield passed;
          }
        } else if (session.failure !== null) {
          throw session.failure;
        } else if (!follow || session.completion !== null) {
          yield { kind: 'end', lastSeq: session.lastSeq, completion: session.completion };
          return;
        } else {
          await this.#change(signal);
        }
      }
    } finally {
      this.open--;
    }
  }

  tailStart(sessionId: string, count: number): Promise<number> {
    return Promise.resolve(Math.max(0, this.#session(sessionId).lastSeq - count));
  }

  async *watchAll({
    filter = null,
    signal,
  }: Pick<ReadRequest, 'filter' | 'signal'>): AsyncGenerator<FirehoseEvent, void> {
    this.open++;
    try {
      for (let next = this.#all.length; signal?.aborted !== true; ) {
        const event = this.#all[next];
        if (event === undefined) {
          await this.#change(signal);
          continue;
        }
        next++;
        const passed = await select(event, 0, filter);
        if (passed !== null) {
          yield { ...passed, sessionId: event.sessionId };
        }
      }
    } finally {
      this.open--;
    }
  }

  #session(sessionId: string): Stored {
    const known = this.#sessions.get(sessionId) ?? { events: [], lastSeq: 0, completion: null, failure: null };
    this.#sessions.set(sessionId, known);
    return known;
  }

  #add(sessionId: string, event: LogEvent): void {
    this.#session(sessionId).events.push(event);
    this.#all.push({ ...event, sessionId });
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) {
      wake();
    }
  }

  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal?.addEventListener('abort', wake);
    });
  }
}

async function select(event: LogEvent, afterSeq: number, filter: LineFilter | null): Promise<LogEvent | null> {
  if (event.kind !== 'lines') {
    return event.kind === 'gap' && event.lastSeq <= afterSeq ? null : event;
  }
  const { lines } = event;
  if (lines.lastSeq <= afterSeq) {
    return null;
  }
  const next = lines.firstSeq > afterSeq ? lines : cut(lines, afterSeq);
  const passed = filter === null ? next : await filter.select(next);
  return passed === null ? null : { kind: 'lines', lines: passed };
}

function cut({ sessionId, firstSeq, lastSeq, bytes }: LogLines, afterSeq: number): LogLines {
  const text = bytes
    .toString()
    .split('\n')
    .slice(afterSeq + 1 - firstSeq)
    .join('\n');
  return new LogLines(sessionId, afterSeq + 1, lastSeq, Buffer.from(text));
}
