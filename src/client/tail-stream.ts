import { setImmediate as turn } from 'node:timers/promises';
import type { Client, ClientReadableStream, MethodDefinition, ServiceError } from '@grpc/grpc-js';
import { Metadata, status } from '@grpc/grpc-js';
import type { StreamSessionLogsRequest } from '../grpc/generated/logging/v1/StreamSessionLogsRequest.js';
import type { StreamSessionLogsResponse__Output as StreamSessionLogsResponse } from '../grpc/generated/logging/v1/StreamSessionLogsResponse.js';
import { methodOf } from './channel.js';
import { ReadError } from './read-error.js';
import { ResponseLines } from './response-lines.js';
import type { TailEvent } from './tail-event.js';
import { Wakeup } from './wakeup.js';

/** What is gathered before the stream is read no further. */
const GATHERED_BYTES_MAX = 128 * 1024;

type State = { readonly kind: 'open' | 'ended' } | { readonly kind: 'failed'; readonly error: ReadError };

export interface TailStreamOptions {
  readonly server: string;
  /** The server has taken the request; lines may be a long time coming. */
  readonly accepted: () => void;
}

/**
 * One call of StreamSessionLogs.
 *
 * *Ordering*: events come as the server sent them. *Flow*: what has come while an event was being used is the next event; when that is
 * 128 KiB of lines, the stream is not read until it is taken. *End*: leaving the iteration cancels the call.
 */
export class TailStream {
  readonly #method: MethodDefinition<StreamSessionLogsRequest, StreamSessionLogsResponse>;
  readonly #call: ClientReadableStream<Buffer>;
  readonly #lines: ResponseLines;
  readonly #wakeup = new Wakeup();
  /** What came behind the gathered lines. */
  #queue: TailEvent[] = [];
  #state: State = { kind: 'open' };

  constructor(
    client: Client,
    request: StreamSessionLogsRequest & { readonly session_id: string },
    options: TailStreamOptions,
  ) {
    const { server, accepted } = options;
    const sessionId = request.session_id;
    this.#method = methodOf('LogReader', 'StreamSessionLogs');
    this.#lines = new ResponseLines(sessionId);
    const { path, requestSerialize } = this.#method;
    this.#call = client.makeServerStreamRequest(path, requestSerialize, (bytes) => bytes, request, new Metadata());
    this.#call.on('data', (message: Buffer) => this.#take(message));
    this.#call.on('metadata', accepted);
    // The status says the same.
    this.#call.on('error', () => undefined);
    // Behind the last message; the status does not wait for those that nobody has taken.
    this.#call.on('end', () => this.#settle({ kind: 'ended' }));
    this.#call.on('status', ({ code, details, metadata }) => {
      if (code !== status.OK) {
        const error: ServiceError = Object.assign(new Error(details), { code, details, metadata });
        this.#settle({ kind: 'failed', error: ReadError.fromStatus(error, server, sessionId) });
      }
    });
  }

  /** Ends with the call. @throws ReadError */
  async *events(): AsyncGenerator<TailEvent, void> {
    try {
      for (;;) {
        const event = this.#next();
        if (event !== null) {
          yield event;
        } else if (this.#state.kind === 'open') {
          this.#call.resume();
          await this.#wakeup.sleep();
          // grpc-js hands over the messages of one packet one by one: all of them make one event.
          await turn();
        } else if (this.#state.kind === 'failed') {
          throw this.#state.error;
        } else {
          return;
        }
      }
    } finally {
      this.cancel();
    }
  }

  cancel(): void {
    this.#call.cancel();
  }

  #next(): TailEvent | null {
    const queued = this.#queue.shift();
    if (queued !== undefined) {
      return queued;
    }
    return this.#lines.length > 0 ? this.#gathered() : null;
  }

  #gathered(): TailEvent {
    return { kind: 'lines', lastSeq: this.#lines.lastSeq, bytes: this.#lines.take() };
  }

  #take(message: Buffer): void {
    try {
      if (!this.#lines.add(message)) {
        this.#takeEvent(this.#method.responseDeserialize(message));
      }
    } catch (error) {
      this.#settle({
        kind: 'failed',
        error: new ReadError('SERVER_FAILED', 'the server sent what is no frame', error),
      });
      this.cancel();
    }
    if (this.#lines.length >= GATHERED_BYTES_MAX) {
      this.#call.pause();
    }
    this.#wakeup.wake();
  }

  #takeEvent({ gap, end }: StreamSessionLogsResponse): void {
    if (this.#lines.length > 0) {
      this.#queue.push(this.#gathered());
    }
    if (gap) {
      this.#queue.push({ kind: 'gap', firstSeq: gap.first_seq, lastSeq: gap.last_seq });
    } else if (end) {
      const { status: said, exit_code: exitCode, last_seq: lastSeq } = end;
      this.#queue.push({ kind: 'end', status: said, exitCode: exitCode ?? null, lastSeq });
    }
    // What a newer server may say besides is passed over.
  }

  #settle(state: State): void {
    if (this.#state.kind === 'open') {
      this.#state = state;
      this.#wakeup.wake();
    }
  }
}
