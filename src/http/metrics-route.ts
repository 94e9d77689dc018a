import type { Metrics } from '../telemetry/metrics.js';
import { type Route, respondText } from './route.js';

/** Prometheus' text format. */
export function metricsRoute({ registry }: Pick<Metrics, 'registry'>): Route {
  return {
    path: '/metrics',
    handlers: {
      GET: async (_, response) => {
        const text = await registry.metrics();
        respondText(response, 200, registry.contentType, text);
      },
    },
  };
}
