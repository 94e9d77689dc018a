import type { IncomingMessage, ServerResponse } from 'node:http';

export type Method = 'GET' | 'POST';

/** One path and what answers there. HEAD is GET without the body. */
export interface Route {
  /** Exact, without a query. */
  readonly path: string;
  readonly handlers: Readonly<Partial<Record<Method, Handler>>>;
}

/** Ends the response. What it throws is logged and becomes a 500 that says nothing about the inside. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export function respondText(response: ServerResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

export function respondJson(response: ServerResponse, status: number, body: object): void {
  respondText(response, status, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`);
}
