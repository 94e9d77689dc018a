/** Which handler a request goes to, and what is answered when none takes it or it fails. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../telemetry/logger.js';
import { problemAnswer } from './http-problem.js';
import { type Handler, type Method, type Route, respondJson } from './route.js';
import type { Router } from './router.js';

/** Never rejects. */
export async function dispatch(
  request: IncomingMessage,
  response: ServerResponse,
  router: Router<Route>,
  logger: Logger,
): Promise<void> {
  const routed = router.find(request.url ?? '/');
  if (routed === null) {
    respondJson(response, 404, { error: 'not found' });
    return;
  }
  const { route } = routed;
  const handler = handlerOf(route, request.method);
  if (handler === undefined) {
    response.setHeader('Allow', allowedMethods(route).join(', '));
    respondJson(response, 405, { error: 'method not allowed' });
    return;
  }
  try {
    await handler(request, response, routed.target());
  } catch (error) {
    answerFailure(error, response, route.path, logger);
  }
}

/** Says why, while that is possible. @param path for the log */
export function answerFailure(error: unknown, response: ServerResponse, path: string, logger: Logger): void {
  const { status, body } = problemAnswer(error) ?? { status: 500, body: { error: 'internal error' } };
  if (response.destroyed) {
    return;
  }
  if (status === 500) {
    logger.error({ err: error, path }, 'an HTTP request failed');
  }
  if (response.headersSent) {
    response.destroy();
  } else {
    respondJson(response, status, body);
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
