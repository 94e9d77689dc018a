import type { IncomingMessage } from 'node:http';
import { HttpProblem } from './http-problem.js';

const BODY_BYTES_MAX = 16 * 1024;

/**
 * The body of a request, a JSON object. It must say that it is JSON: so no page of another origin can send one unasked, as it can a form.
 * @throws HttpProblem 400, 413, 415
 */
export async function jsonBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers['content-type'] ?? '')) {
    throw new HttpProblem(415, 'the body must be JSON, with Content-Type: application/json');
  }
  const text = await bodyText(request);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new HttpProblem(400, 'the body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new HttpProblem(400, 'the body must be a JSON object');
  }
  return body as Record<string, unknown>;
}

async function bodyText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // What is too long is read to its end, or the client would see its connection break instead of the answer; it is kept by nobody.
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) {
      chunks.push(chunk);
    }
  }
  if (bytes > BODY_BYTES_MAX) {
    throw new HttpProblem(413, `the body is larger than ${BODY_BYTES_MAX} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
