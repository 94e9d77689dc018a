import type { Metrics } from '../telemetry/metrics.js';
import { type Route, respondText } from './route.js';

/** Prometheus' text format. */
export function metricsRoute({ registry }: Pick<Metrics, 'registry'>): Route {
  const rendered = sharedFor(SHARED_MS, () => registry.metrics());
  return {
    path: '/metrics',
    handlers: {
      GET: async (_, response) => {
        const text = await rendered();
        respondText(response, 200, registry.contentType, text);
      },
    },
  };
}

/** One page for everybody who asks within a moment: thousands of pipelined requests must not stop ingest. */
const SHARED_MS = 100;

function sharedFor(ms: number, make: () => Promise<string>): () => Promise<string> {
  let made: Promise<string> | null = null;
  return () => {
    if (made === null) {
      made = make();
      setTimeout(() => {
        made = null;
      }, ms).unref();
    }
    return made;
  };
}
