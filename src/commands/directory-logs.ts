/** Sessions of a LOG_DIR on this machine, beside a running server or without one. What is written meanwhile is not waited for. */
import type { TailEvent, TailRequest } from '../client/tail-event.js';
import { FilterTurns } from '../reading/filter-turns.js';
import { lineFilter } from '../reading/line-filter.js';
import { LiveHub } from '../reading/live-hub.js';
import type { LogSource } from '../reading/log-source.js';
import { listSessions, type SessionSummary, summarizeSession } from '../reading/session-list.js';
import { SessionLogSource } from '../reading/session-log-source.js';
import { SessionReader } from '../reading/session-reader.js';
import { systemClock } from '../segment/clock.js';
import { type Completion, completionOf, newestCompletion } from '../segment/completion-record.js';
import { type Layout, sessionName } from '../segment/layout.js';
import { nodeFiles } from '../segment/node-files.js';
import type { SessionLogs } from './session-logs.js';

export class DirectoryLogs implements SessionLogs {
  readonly #layout: Layout;
  readonly #logs: LogSource;

  constructor(layout: Layout) {
    this.#layout = layout;
    // Nobody writes here: there is nothing to follow.
    this.#logs = new SessionLogSource({
      reader: new SessionReader(nodeFiles, layout),
      hub: new LiveHub(),
      completionOf: (sessionId) => this.#completionOf(sessionId),
      settled: () => Promise.resolve(),
    });
  }

  async *read(request: TailRequest, signal: AbortSignal): AsyncGenerator<TailEvent, void> {
    const { sessionId, afterSeq = 0, tail } = request;
    const place = tail === undefined ? { afterSeq } : { tail };
    const filter = lineFilter(request.filter ?? {}, new FilterTurns(systemClock, 0));
    for await (const event of this.#logs.read(sessionId, { ...place, filter, signal })) {
      if (event.kind === 'lines') {
        yield { kind: 'lines', lastSeq: event.lines.lastSeq, bytes: event.lines.bytes };
      } else if (event.kind === 'gap') {
        yield event;
      } else {
        const summary = await summarizeSession(nodeFiles, this.#layout, sessionId);
        const { lastSeq, completion } = event;
        const status = completion?.status ?? summary?.state ?? 'idle';
        yield { kind: 'end', status, exitCode: completion?.exitCode ?? null, lastSeq };
      }
    }
  }

  sessions(prefix?: string): AsyncGenerator<SessionSummary, void> {
    return listSessions(nodeFiles, this.#layout, prefix);
  }

  close(): void {}

  async #completionOf(sessionId: string): Promise<Completion | null> {
    const record = await newestCompletion(nodeFiles, this.#layout, sessionName(sessionId));
    return record === null ? null : completionOf(record);
  }
}
