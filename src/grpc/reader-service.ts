import {
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { LogSource } from '../reading/log-source.js';
import { ReadingError } from '../reading/reading-error.js';
import type { Clock } from '../segment/clock.js';
import { StorageError } from '../segment/storage-error.js';
import { Overload } from '../session/admission.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { getSession, type SessionSources } from './get-session.js';
import { listSegments } from './list-segments.js';
import { listSessions } from './list-sessions.js';
import { logReaderDefinition } from './log-reader.js';
import { readerConnectionAged, readerShutDown, tooManyReaders } from './status.js';
import { StreamSessionLogs } from './stream-session-logs.js';
import { answerUnary, type CallEvents, goneSignal, type UnaryMethod } from './unary-call.js';

const SWEEP_INTERVAL_MS = 1000;
/** For a viewer to take 64 KiB, as over HTTP to take a byte. */
const STALL_MS = 60_000;

/** What the readers' doors stand before. */
export interface ReaderSources extends SessionSources {
  readonly logs: LogSource;
}

export interface ReaderServiceOptions {
  readonly sources: ReaderSources;
  /** Open calls of StreamSessionLogs at one time. */
  readonly maxReaders: number;
  /** Half of what a connection that is closed for its age leaves its calls; null where none is. */
  readonly connectionCloseMs: number | null;
  /** Told of every unary call. */
  readonly answers: (answering: Promise<void>) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** `logging.v1.LogReader`: one unary call of a kind that lists all files at a time, and so many viewers. */
export class ReaderService {
  readonly #options: ReaderServiceOptions;
  /** Since when (monotonic milliseconds) the connection of each is to go; null while it is not. */
  readonly #readers = new Map<StreamSessionLogs, number | null>();
  readonly #stopSweep: () => void;
  /** Settles when no listing is under way. */
  #listing: Promise<unknown> = Promise.resolve();
  #draining = false;

  constructor(options: ReaderServiceOptions) {
    this.#options = options;
    this.#stopSweep = options.clock.every(SWEEP_INTERVAL_MS, () => this.#sweep());
  }

  addTo(server: Server): void {
    const { sources } = this.#options;
    server.addService(logReaderDefinition, {
      GetSession: this.#unary('GetSession', () => getSession(sources)),
      ListSessions: this.#unary('ListSessions', (call) => this.#inTurn(listSessions(sources, goneSignal(call)))),
      ListSegments: this.#unary('ListSegments', (call) => this.#inTurn(listSegments(sources, goneSignal(call)))),
      StreamSessionLogs: (call: ServerWritableStream<Buffer, Buffer>) => this.#stream(call),
    });
  }

  /** Ends all viewers: they can go on from their last seq on when the server is back. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#stopSweep();
    const readers = [...this.#readers.keys()];
    for (const reader of readers) {
      reader.giveUp(readerShutDown());
    }
    await Promise.all(readers.map((reader) => reader.ended));
  }

  #stream(call: ServerWritableStream<Buffer, Buffer>): void {
    const { sources, maxReaders, metrics, clock } = this.#options;
    const { handled, failed } = this.#events('StreamSessionLogs');
    const parts = {
      source: sources.logs,
      clock,
      summarize: (sessionId: string) => sources.summarize(sessionId),
      delivered: (lines: number) => metrics.linesDelivered.inc(lines),
      handled,
      failed,
    };
    const reader = new StreamSessionLogs(call, parts);
    if (this.#readers.size >= maxReaders) {
      metrics.streamsEnded.inc({ reason: 'limit' });
      reader.giveUp(tooManyReaders());
      return;
    }
    this.#readers.set(reader, null);
    metrics.viewersOpen.inc({ kind: 'grpc' });
    void reader.ended.then(() => {
      this.#readers.delete(reader);
      metrics.viewersOpen.dec({ kind: 'grpc' });
    });
    if (this.#draining) {
      reader.giveUp(readerShutDown());
      return;
    }
    void reader.run();
  }

  #unary<Request extends object, Response extends object>(
    name: string,
    method: (call: ServerUnaryCall<Buffer, Response>) => UnaryMethod<Request, Response>,
  ) {
    const events = this.#events(name);
    return (call: ServerUnaryCall<Buffer, Response>, respond: sendUnaryData<Response>): void => {
      this.#options.answers(answerUnary(call, respond, method(call), events));
    };
  }

  /** Listings look at the names of all files: many callers must not take the disk from the writers. */
  #inTurn<Request extends object, Response extends object>(
    method: UnaryMethod<Request, Response>,
  ): UnaryMethod<Request, Response> {
    const answer = (request: Request): Promise<Response | StatusObject> => {
      const answered = this.#listing.then(() => method.answer(request));
      this.#listing = answered.catch(() => undefined);
      return answered;
    };
    return { ...method, answer };
  }

  #events(method: string): CallEvents {
    const { metrics, logger } = this.#options;
    return {
      handled: (code) => metrics.grpcHandled.inc({ grpc_method: method, grpc_code: status[code] }),
      failed(error) {
        const isExpected = error instanceof StorageError || error instanceof Overload || isCallers(error);
        if (!isExpected) {
          logger.error({ err: error }, 'a session could not be read');
        }
      },
    };
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [reader, closingSinceMs] of this.#readers) {
      const { untakenSinceMs } = reader;
      if (untakenSinceMs !== null && nowMs - untakenSinceMs >= STALL_MS) {
        this.#options.metrics.streamsEnded.inc({ reason: 'stalled' });
        reader.cutOff();
      } else {
        this.#endAged(reader, closingSinceMs, nowMs);
      }
    }
  }

  /** A call of a connection that is closed for its age is ended by us: a cut would tell its viewer less. */
  #endAged(reader: StreamSessionLogs, closingSinceMs: number | null, nowMs: number): void {
    const { connectionCloseMs } = this.#options;
    if (connectionCloseMs === null) {
      return;
    }
    if (closingSinceMs === null && reader.connectionCloses) {
      this.#readers.set(reader, nowMs);
    } else if (closingSinceMs !== null && nowMs - closingSinceMs >= connectionCloseMs) {
      reader.giveUp(readerConnectionAged());
    }
  }
}

/** Who asks for what is not there, or goes away, is no failure of ours. */
function isCallers(error: unknown): boolean {
  return (
    (error instanceof ReadingError && error.code !== 'DAMAGED_SEGMENT') ||
    (error instanceof Error && error.name === 'AbortError')
  );
}
