import { type HttpServerOptions, type RunningHttpServer, startHttpServer } from '../../src/http/server.js';
import type { SessionDoors } from '../../src/http/sessions-routes.js';
import { silentLogger } from '../../src/telemetry/logger.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { MemoryLogs } from './memory-logs.js';

async function* nothing(): AsyncGenerator<never, void> {}

export const noSessions: SessionDoors = {
  summarize: () => Promise.resolve(null),
  completionOf: () => Promise.resolve(null),
  listSessions: nothing,
  listSegments: nothing,
  completeSession: () => Promise.resolve({ kind: 'unknown' }),
};

export interface HttpRoom extends AsyncDisposable {
  readonly server: RunningHttpServer;
  readonly url: string;
  readonly logs: MemoryLogs;
  /** Of the metric, by its labels as text; 0 when it is not there. */
  metric(name: string): Promise<number>;
}

/** A server over sessions in memory. */
export async function httpRoom(overrides: Partial<HttpServerOptions> = {}): Promise<HttpRoom> {
  const logs = new MemoryLogs();
  const metrics = new Metrics({ version: 'test' });
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    maxConnections: 10_000,
    logger: silentLogger,
    metrics,
    readiness: () => ({ ready: true, reasons: [] }),
    source: logs,
    sessions: noSessions,
    ...overrides,
  });
  return {
    server,
    logs,
    url: `http://127.0.0.1:${server.port}`,
    async metric(name) {
      const line = (await metrics.registry.metrics()).split('\n').find((one) => one.startsWith(`${name} `));
      return Number(line?.split(' ').at(-1) ?? 0);
    },
    async [Symbol.asyncDispose]() {
      await server.close();
    },
  };
}
