/** Sessions of a server, over gRPC. What breaks on the way is said on stderr and made good. */
import { LogReader } from '../client/log-reader.js';
import { LogTail } from '../client/log-tail.js';
import { isCompleted, type TailEvent, type TailRequest } from '../client/tail-event.js';
import type { SessionSummary } from '../reading/session-list.js';
import type { OutputStream } from './command-io.js';
import { printable } from './printable.js';
import type { SessionLogs } from './session-logs.js';

/** How long reading to the end goes on trying when the server is gone; who follows waits for as long as it takes. */
const PATIENCE_MS = 30_000;

export class ServerLogs implements SessionLogs {
  readonly server: string;
  readonly #reader: LogReader;
  readonly #connectTimeoutMs: number;
  readonly #stderr: OutputStream;

  constructor(server: string, connectTimeoutMs: number, stderr: OutputStream) {
    this.server = server;
    this.#reader = new LogReader(server);
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#stderr = stderr;
  }

  read(request: TailRequest, signal: AbortSignal): AsyncGenerator<TailEvent, void> {
    const tail = new LogTail(this.#reader, {
      ...request,
      signal,
      connectTimeoutMs: this.#connectTimeoutMs,
      ...(request.follow !== true && { patienceMs: PATIENCE_MS }),
      interrupted: (error) => void this.#stderr.write(`logweir: ${printable(error.message)}; trying again\n`),
      resumed: () => void this.#stderr.write(`logweir: connected to ${this.server} again\n`),
    });
    return tail.events();
  }

  async *sessions(prefix: string | undefined, signal: AbortSignal): AsyncGenerator<SessionSummary, void> {
    await this.#reader.ready(this.#connectTimeoutMs, signal);
    for await (const { status, exitCode, ...session } of this.#reader.sessions(prefix, signal)) {
      const completion = isCompleted({ status, exitCode }) ? { status, exitCode, lastSeq: session.lastSeq } : null;
      yield { ...session, state: status === 'active' ? 'active' : 'idle', completion };
    }
  }

  close(): void {
    this.#reader.close();
  }
}
