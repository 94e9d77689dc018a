/** The HTTP server: which routes there are, limits, and an orderly end. What a route does stands in its own file. */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { metricsRoute } from './metrics-route.js';
import { probeRoutes, type Readiness } from './probes.js';
import { type Handler, type Method, type Route, respondJson } from './route.js';

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly maxConnections: number;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'registry'>;
  readonly readiness: () => Readiness;
}

export interface RunningHttpServer {
  readonly port: number;
  /** Takes no more connections; running requests have 5 s to end. */
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

/** Rejects with the error of listen (`code` EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND). */
export async function startHttpServer(options: HttpServerOptions): Promise<RunningHttpServer> {
  const routes = new Map(
    [...probeRoutes(options.readiness), metricsRoute(options.metrics)].map((route) => [route.path, route]),
  );
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
    (request, response) => {
      response.setHeader('X-Content-Type-Options', 'nosniff');
      response.setHeader('Cache-Control', 'no-store');
      if (draining) {
        response.setHeader('Connection', 'close');
      }
      running.add(response);
      response.once('close', () => running.delete(response));
      void answer(request, response, routes, options.logger);
    },
  );
  server.maxConnections = options.maxConnections;
  server.timeout = SOCKET_TIMEOUT_MS;
  server.on('clientError', refuseMalformed);
  await listen(server, options.host, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      draining = true;
      for (const response of running) {
        if (!response.headersSent) {
          response.setHeader('Connection', 'close');
        }
      }
      return closeServer(server);
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: ReadonlyMap<string, Route>,
  logger: Logger,
): Promise<void> {
  const route = routes.get(pathOf(request));
  if (route === undefined) {
    respondJson(response, 404, { error: 'not found' });
    return;
  }
  const handler = handlerOf(route, request.method);
  if (handler === undefined) {
    response.setHeader('Allow', allowedMethods(route).join(', '));
    respondJson(response, 405, { error: 'method not allowed' });
    return;
  }
  try {
    await handler(request, response);
  } catch (error) {
    logger.error({ err: error, path: route.path }, 'an HTTP request failed');
    if (response.headersSent) {
      response.destroy();
    } else {
      respondJson(response, 500, { error: 'internal error' });
    }
  }
}

function handlerOf(route: Route, method: string | undefined): Handler | undefined {
  const served = method === 'HEAD' ? 'GET' : method;
  return served === 'GET' || served === 'POST' ? route.handlers[served] : undefined;
}

function allowedMethods(route: Route): string[] {
  const methods = Object.keys(route.handlers) as Method[];
  return methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
}

/** Without the query; a proxy may send the absolute form. */
function pathOf({ url = '/' }: IncomingMessage): string {
  return url.replace(/^https?:\/\/[^/?#]*/i, '').split('?', 1)[0] || '/';
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
