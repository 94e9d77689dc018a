import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Query } from './query.js';

export type Method = 'GET' | 'POST';

/** One path and what answers there. HEAD is GET without the body. */
export interface Route {
  /** Without a query; a segment of the form `:name` stands for any one segment: `/api/v1/sessions/:session_id`. */
  readonly path: string;
  readonly handlers: Readonly<Partial<Record<Method, Handler>>>;
}

/** What the URL of a request says. */
export interface Target {
  /** @throws HttpProblem 400 when the route has the parameter and the request an empty or too long one */
  sessionId(): string;
  readonly query: Query;
}

/**
 * Ends the response. An HttpProblem, FilterProblem or ReadingError that it throws is answered with its status; anything else is logged
 * and becomes a 500 that says nothing about the inside.
 */
export type Handler = (request: IncomingMessage, response: ServerResponse, target: Target) => void | Promise<void>;

export function respondText(response: ServerResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

export function respondJson(response: ServerResponse, status: number, body: object): void {
  respondText(response, status, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`);
}

/** Aborted when nobody waits for the response any more. */
export function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
}
