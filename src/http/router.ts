/** Which route a request is for. Paths are taken as they are sent: nothing is resolved, collapsed or decoded before it is split. */
import { SESSION_ID_BYTES_MAX } from '../frame/limits.js';
import { HttpProblem } from './http-problem.js';
import { Query } from './query.js';
import type { Route, Target } from './route.js';

export interface Routed<R> {
  readonly route: R;
  /** @throws HttpProblem 400 */
  target(): Target;
}

export class Router<R extends Pick<Route, 'path'>> {
  readonly #routes: readonly { readonly route: R; readonly segments: readonly string[] }[];

  constructor(routes: readonly R[]) {
    this.#routes = routes.map((route) => ({ route, segments: route.path.split('/') }));
  }

  /** Null when there is none. @param url of the request line; a proxy may send the absolute form */
  find(url: string): Routed<R> | null {
    const [path = '', ...query] = url.replace(/^https?:\/\/[^/?#]*/i, '').split('?');
    const segments = (path || '/').split('/');
    const found = this.#routes.find((one) => matches(one.segments, segments));
    if (found === undefined) {
      return null;
    }
    const at = found.segments.indexOf(SESSION_ID);
    const sessionId = (): string => sessionIdOf(segments[at] ?? '');
    return { route: found.route, target: () => ({ sessionId, query: new Query(query.join('?')) }) };
  }
}

const SESSION_ID = ':session_id';

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((segment, index) => segment === SESSION_ID || segment === segments[index])
  );
}

function sessionIdOf(segment: string): string {
  let sessionId: string;
  try {
    sessionId = decodeURIComponent(segment);
  } catch {
    throw new HttpProblem(400, 'session_id is not percent-encoded UTF-8', 'session_id');
  }
  if (sessionId === '' || Buffer.byteLength(sessionId) > SESSION_ID_BYTES_MAX) {
    throw new HttpProblem(400, `session_id must have 1 to ${SESSION_ID_BYTES_MAX} bytes of UTF-8`, 'session_id');
  }
  return sessionId;
}
