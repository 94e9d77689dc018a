/** Requests that ask for another protocol. Only WebSockets of a session's lines get it; the others are answered as if they had not asked. */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../telemetry/logger.js';
import { answerFailure } from './dispatch.js';
import { LOG_SOCKET_PATH, type LogSockets } from './log-sockets.js';
import { type Route, respondJson } from './route.js';
import { Router } from './router.js';

const router = new Router([{ path: LOG_SOCKET_PATH }]);

/** Without an upgrade there is nothing to see. */
export const logSocketRoute: Route = {
  path: LOG_SOCKET_PATH,
  handlers: {
    GET: (_, response) => {
      response.setHeader('Upgrade', 'websocket');
      response.setHeader('Connection', 'Upgrade, close');
      respondJson(response, 426, { error: 'this is a WebSocket; as HTTP the lines are at /api/v1/sessions/:id/logs' });
    },
  },
};

/** @param answer the way of all other requests */
export async function upgrade(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  sockets: LogSockets,
  logger: Logger,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<void> {
  // Node leaves an upgraded socket to whoever listens for upgrades: its errors, too.
  socket.on('error', () => socket.destroy());
  const routed = router.find(request.url ?? '/');
  if (routed === null || request.headers.upgrade?.toLowerCase() !== 'websocket') {
    answer(request, plainResponse(request, socket));
    return;
  }
  try {
    await sockets.accept(request, socket, head, routed.target());
  } catch (error) {
    answerFailure(error, plainResponse(request, socket), LOG_SOCKET_PATH, logger);
  }
}

/** The connection ends with it: Node reads no further request from an upgraded socket. */
function plainResponse(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.on('error', () => undefined);
  response.once('finish', () => {
    response.detachSocket(socket);
    socket.end();
  });
  return response;
}
