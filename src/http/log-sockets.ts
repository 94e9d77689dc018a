/**
 * `/logs/:session_id` as a WebSocket: history, then live lines, and `complete` at the end, also for a viewer that comes after it.
 *
 * Lines are written to the socket as whole frames that are made once for all viewers (websocket-messages.ts), which leaves `ws` the
 * handshake, the closing and the answers to pings. Whoever takes no byte of what waits for it, or has nothing waiting and answers no
 * ping, is cut off after a while.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { deliver } from './deliver.js';
import { HttpProblem } from './http-problem.js';
import { positionOf, readRequestOf } from './log-position.js';
import type { Target } from './route.js';
import type { Viewer } from './viewers.js';
import type { ViewingParts } from './viewing-parts.js';
import { websocketMessages } from './websocket-messages.js';

export const LOG_SOCKET_PATH = '/logs/:session_id';

/** Viewers have nothing to say. */
const RECEIVED_BYTES_MAX = 1_024;
/** Pings without an answer. */
const MISSED_PINGS_MAX = 4;
/** For the peer's half of the closing handshake. */
const CLOSE_GRACE_MS = 2_000;
const CLOSE_NORMAL = 1_000;
const CLOSE_GOING_AWAY = 1_001;
const CLOSE_INTERNAL_ERROR = 1_011;

export class LogSockets {
  readonly #parts: ViewingParts;
  readonly #handshakes = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: RECEIVED_BYTES_MAX,
  });

  constructor(parts: ViewingParts) {
    this.#parts = parts;
  }

  /** @throws what HttpProblem, FilterProblem and ReadingError say, before the handshake */
  async accept(request: IncomingMessage, socket: Socket, head: Buffer, { sessionId, query }: Target): Promise<void> {
    requireSameOrigin(request);
    const id = sessionId();
    const asked = readRequestOf(query);
    await positionOf(this.#parts.source, id);
    if (socket.destroyed) {
      return;
    }
    this.#handshakes.handleUpgrade(request, socket, head, (peer) => {
      const viewer = this.#parts.viewers.admit('websocket', socket, socket);
      void this.#serve(peer, socket, viewer, () =>
        this.#parts.source.read(id, { ...asked, follow: true, signal: viewer.signal }),
      );
    });
  }

  async #serve(
    peer: WebSocket,
    socket: Socket,
    viewer: Viewer,
    open: () => ReturnType<ViewingParts['source']['read']>,
  ): Promise<void> {
    // The peer broke the protocol or sent too much: ws closes with the code that says so.
    peer.on('error', () => undefined);
    peer.once('close', () => viewer.leave());
    socket.once('timeout', () => socket.destroy());
    const stopPings = keepAlive(peer, socket, viewer, this.#parts.heartbeatMs);
    const outcome = await deliver(open(), viewer, websocketMessages, this.#parts.logger);
    stopPings();
    if (outcome === 'gone') {
      return;
    }
    const isEnd = outcome === 'end';
    const failure = viewer.state === 'dismissed' ? CLOSE_GOING_AWAY : CLOSE_INTERNAL_ERROR;
    viewer.ending();
    peer.close(isEnd ? CLOSE_NORMAL : failure);
    const startGrace = (): void => {
      setTimeout(() => peer.terminate(), CLOSE_GRACE_MS).unref();
    };
    // Behind what the peer has yet to take, and the closing frame; the end of the server waits for nobody.
    socket.write('', startGrace);
    if (viewer.signal.aborted) {
      startGrace();
    } else {
      viewer.signal.addEventListener('abort', startGrace, { once: true });
    }
  }
}

/**
 * Any page may open a WebSocket to any server: browsers say which page it was, and leave the judgement to the server.
 * @throws HttpProblem 403
 */
function requireSameOrigin({ headers: { origin, host } }: IncomingMessage): void {
  if (origin !== undefined && URL.parse(origin)?.host !== host?.toLowerCase()) {
    throw new HttpProblem(403, 'pages of another origin may not connect');
  }
}

/**
 * What waits for the socket shows by itself whether the peer is there, and a ping would stand behind it: the stall time of
 * viewers.ts decides then, and pings count while nothing waits.
 * @returns ends it
 */
function keepAlive(peer: WebSocket, socket: Socket, viewer: Viewer, intervalMs: number): () => void {
  let missed = 0;
  const heard = (): void => {
    missed = 0;
  };
  peer.on('pong', heard);
  socket.on('drain', heard);
  const timer = setInterval(() => {
    if (viewer.isBehind) {
      return;
    }
    if (++missed > MISSED_PINGS_MAX) {
      peer.terminate();
    } else {
      peer.ping();
    }
  }, intervalMs).unref();
  return () => clearInterval(timer);
}
