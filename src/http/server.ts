/** The HTTP server: which routes there are, limits, and an orderly end. What a route does stands in its own file. */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { LogSource } from '../reading/log-source.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { dispatch } from './dispatch.js';
import { LogSockets } from './log-sockets.js';
import { metricsRoute } from './metrics-route.js';
import { probeRoutes, type Readiness } from './probes.js';
import { RequestTurns } from './request-turns.js';
import { Router } from './router.js';
import { type SessionDoors, sessionsRoutes } from './sessions-routes.js';
import { sseRoutes } from './sse-routes.js';
import { logSocketRoute, upgrade } from './upgrades.js';
import { Viewers } from './viewers.js';

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly maxConnections: number;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'registry' | 'viewersOpen' | 'linesDelivered'>;
  readonly readiness: () => Readiness;
  readonly source: LogSource;
  readonly sessions: SessionDoors;
  /** How often a quiet stream says that it is there. */
  readonly heartbeatMs?: number;
  /** A viewer that takes nothing for so long is cut off. */
  readonly stallMs?: number;
}

export interface RunningHttpServer {
  readonly port: number;
  /** Takes no more connections; viewers are told, running requests have 5 s to end. */
  close(): Promise<void>;
}

const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
/** Headers and requests are looked at for their time limits this often. */
const CHECK_INTERVAL_MS = 2_000;
/** Nothing goes either way for so long: a client that does not read its answer. */
const SOCKET_TIMEOUT_MS = 60_000;
const CLOSE_GRACE_MS = 5_000;
const HEARTBEAT_MS = 15_000;

/** Rejects with the error of listen (`code` EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND). */
export async function startHttpServer(options: HttpServerOptions): Promise<RunningHttpServer> {
  const { source, sessions, metrics, logger, heartbeatMs = HEARTBEAT_MS, stallMs = SOCKET_TIMEOUT_MS } = options;
  const viewers = new Viewers(metrics, stallMs);
  const viewing = { source, viewers, logger, heartbeatMs };
  const sockets = new LogSockets(viewing);
  const router = new Router([
    ...probeRoutes(options.readiness),
    metricsRoute(metrics),
    ...sessionsRoutes(sessions, viewing),
    ...sseRoutes(viewing),
    logSocketRoute,
  ]);
  const running = new Set<ServerResponse>();
  let draining = false;
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    },
    (request, response) => answer(request, response),
  );
  const turns = new RequestTurns();
  const answer = (request: IncomingMessage, response: ServerResponse): void =>
    turns.take(request, response, () => begin(request, response));
  const begin = (request: IncomingMessage, response: ServerResponse): void => {
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Cache-Control', 'no-store');
    if (draining) {
      response.setHeader('Connection', 'close');
    }
    running.add(response);
    response.once('close', () => running.delete(response));
    // Writes to a client that has left; its `close` ends what was done for it.
    response.on('error', () => undefined);
    void dispatch(request, response, router, logger);
  };
  server.on('upgrade', (request, socket: Socket, head) => {
    if (turns.isBusy(socket)) {
      // Another response is being written to it.
      socket.destroy();
      return;
    }
    void upgrade(request, socket, head, sockets, logger, answer);
  });
  server.maxConnections = options.maxConnections;
  server.timeout = SOCKET_TIMEOUT_MS;
  server.on('clientError', refuseMalformed);
  await listen(server, options.host, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      draining = true;
      viewers.drain();
      for (const response of running) {
        if (!response.headersSent) {
          response.setHeader('Connection', 'close');
        }
      }
      return closeServer(server);
    },
  };
}

/** What the parser refuses has no request to answer: say why on the socket and hang up. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ''] ?? 400;
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      // An accept failed (no descriptor, no memory): without a listener it would end the process.
      server.on('error', () => undefined);
      resolve();
    });
  });
}

/** Node closes idle connections by itself here; busy ones get the grace. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const grace = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(grace);
      resolve();
    });
  });
}
