/**
 * The requests of one connection, one at a time.
 *
 * Node hands a request over as soon as it is parsed, also while an earlier one of its connection is answered (pipelining). Such a
 * response has no socket yet, and when the connection ends before it gets one, nothing tells it: what was done for it would go on for
 * ever. So a request is begun when its response has the socket; Node closes those.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Requests that are begun or wait, of one connection. One more ends it. */
const UNANSWERED_MAX = 64;

export class RequestTurns {
  readonly #unanswered = new WeakMap<Duplex, number>();

  /** Whether a request of the connection is not answered yet. */
  isBusy(socket: Duplex): boolean {
    return (this.#unanswered.get(socket) ?? 0) > 0;
  }

  /** Calls `begin` when all earlier requests of the connection are answered, and never when it ends before that. */
  take({ socket }: IncomingMessage, response: ServerResponse, begin: () => void): void {
    const unanswered = (this.#unanswered.get(socket) ?? 0) + 1;
    if (unanswered > UNANSWERED_MAX) {
      socket.destroy();
      return;
    }
    this.#unanswered.set(socket, unanswered);
    response.once('close', () => this.#unanswered.set(socket, (this.#unanswered.get(socket) ?? 0) - 1));
    if (response.socket === null) {
      response.once('socket', () => process.nextTick(begin));
    } else {
      begin();
    }
  }
}
