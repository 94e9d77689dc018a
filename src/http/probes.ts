import { type Route, respondJson, respondText } from './route.js';

export interface Readiness {
  readonly ready: boolean;
  /** Why not, for an operator; empty when ready. */
  readonly reasons: readonly string[];
}

/**
 * `/healthz`: the process runs and its event loop turns. `/readyz`: it can store frames. Neither asks Redis: a restart
 * mends no broker.
 */
export function probeRoutes(readiness: () => Readiness): Route[] {
  return [
    {
      path: '/healthz',
      handlers: { GET: (_, response) => respondText(response, 200, 'text/plain; charset=utf-8', 'ok\n') },
    },
    {
      path: '/readyz',
      handlers: {
        GET: (_, response) => {
          const { ready, reasons } = readiness();
          respondJson(response, ready ? 200 : 503, { ready, reasons });
        },
      },
    },
  ];
}
