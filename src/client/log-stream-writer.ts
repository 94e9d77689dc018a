/**
 * One WriteLogStream call.
 *
 * Ordering: frames reach the server in the order of `write`.
 * Acknowledgement: only the response that `close` resolves to says that frames are stored. That `write` resolved says
 * no more than that there is room for the next frame (measured: 104 write callbacks while the server had read nothing).
 * Backpressure: `write` waits while the transport is full, so whoever awaits it is slowed to the server's pace.
 */
import {
  type Client,
  type ClientWritableStream,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { type OutgoingFrame, toWireFrame } from './frame.js';
import { Wakeup } from './wakeup.js';
import { WriteError } from './write-error.js';

export const STREAM_TIMEOUT_MS = 30_000;

export type WriteLogMethod = MethodDefinition<object, WireResponse>;

export interface WriteLogResponse {
  /** Every accepted frame, duplicates included. */
  readonly framesReceived: number;
  readonly framesWritten: number;
  readonly duplicates: number;
  /** What this call stored, per session. */
  readonly sessions: readonly SessionRange[];
  /** True: synced to the disk. False: handed to the server's operating system. */
  readonly durable: boolean;
}

export interface SessionRange {
  readonly sessionId: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

interface WireResponse {
  frames_received: number;
  frames_written: number;
  duplicates: number;
  sessions: { session_id: string; first_seq: number; last_seq: number }[];
  durable: boolean;
}

type State =
  | { readonly kind: 'open' | 'closing' }
  | { readonly kind: 'acknowledged'; readonly response: WriteLogResponse }
  | { readonly kind: 'failed'; readonly error: WriteError };

export class LogStreamWriter {
  readonly #call: ClientWritableStream<object>;
  readonly #server: string;
  readonly #timeoutMs: number;
  readonly #change = new Wakeup();
  #state: State = { kind: 'open' };
  #lastTakenMs = performance.now();

  constructor(client: Client, method: WriteLogMethod, server: string, timeoutMs = STREAM_TIMEOUT_MS) {
    this.#server = server;
    this.#timeoutMs = timeoutMs;
    this.#call = client.makeClientStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      new Metadata(),
      (error, response) => this.#ended(error, response),
    );
    this.#call.on('drain', () => this.#change.wake());
    // The status comes through the callback above; without a listener the same failure would be thrown as well.
    this.#call.on('error', () => this.#change.wake());
  }

  /**
   * Sends a frame. Resolves when there is room for another one, which is no acknowledgement.
   * @throws WriteError when the call has ended, or takes in nothing for the stream's time limit
   */
  async write(frame: OutgoingFrame): Promise<void> {
    this.#refuseUnlessOpen();
    const hasRoom = this.#call.write(toWireFrame(frame), () => {
      this.#lastTakenMs = performance.now();
    });
    if (!hasRoom) {
      await this.#until(() => this.#state.kind !== 'open' || !this.#call.writableNeedDrain);
      this.#refuseUnlessOpen();
    }
  }

  /**
   * Half-closes and waits for the server's response: every frame of the stream is stored.
   * @throws WriteError
   */
  async close(): Promise<WriteLogResponse> {
    if (this.#state.kind === 'open') {
      this.#state = { kind: 'closing' };
      this.#call.end();
    }
    await this.#until(() => this.#state.kind === 'acknowledged' || this.#state.kind === 'failed');
    const state: State = this.#state;
    if (state.kind === 'acknowledged') {
      return state.response;
    }
    throw state.kind === 'failed' ? state.error : new Error('waited for the end of the call');
  }

  /** Ends the call at once; nothing is known about frames that were written to it. */
  cancel(): void {
    this.#call.cancel();
  }

  #ended(error: ServiceError | null, response: WireResponse | undefined): void {
    this.#state =
      error === null && response !== undefined
        ? { kind: 'acknowledged', response: fromWire(response) }
        : { kind: 'failed', error: WriteError.fromStatus(error ?? EMPTY_RESPONSE, this.#server) };
    this.#change.wake();
  }

  #refuseUnlessOpen(): void {
    switch (this.#state.kind) {
      case 'open':
        return;
      case 'closing':
        throw new WriteError('CANCELLED', 'the stream is closed');
      case 'failed':
        throw this.#state.error;
      case 'acknowledged':
        throw new WriteError('CONNECTION_LOST', `logweir at ${this.#server} ended the stream before its last frame`);
    }
  }

  /** Waits for `isDone`, looking again whenever something happens to the call; the time limit counts from the last progress. */
  async #until(isDone: () => boolean): Promise<void> {
    const startedMs = performance.now();
    while (!isDone()) {
      const leftMs = Math.max(startedMs, this.#lastTakenMs) + this.#timeoutMs - performance.now();
      if (leftMs <= 0) {
        this.#call.cancel();
        throw new WriteError('TIMED_OUT', `logweir at ${this.#server} did not answer in time`);
      }
      await this.#change.sleep(leftMs);
    }
  }
}

/** grpc-js types a response without a message as possible. */
const EMPTY_RESPONSE: ServiceError = Object.assign(new Error('empty response'), {
  code: status.INTERNAL,
  details: 'the response is empty',
  metadata: new Metadata(),
});

function fromWire(response: WireResponse): WriteLogResponse {
  return {
    framesReceived: response.frames_received,
    framesWritten: response.frames_written,
    duplicates: response.duplicates,
    sessions: response.sessions.map((range) => ({
      sessionId: range.session_id,
      firstSeq: range.first_seq,
      lastSeq: range.last_seq,
    })),
    durable: response.durable,
  };
}
