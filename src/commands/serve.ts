import type { Command } from 'commander';
import { developmentEnvironment, readConfig, unknownVariables } from '../config.js';
import { heapGrowth } from '../telemetry/heap-growth.js';
import { createLogger } from '../telemetry/logger.js';
import { Interrupted, type ServiceIo } from './command-io.js';
import { environmentTable } from './environment-table.js';
import { EXIT_OK } from './exit-codes.js';

const help = (): string => `
Agents stream frames over gRPC; every session becomes one ordered log under LOG_DIR. Nothing else is needed; with
REDIS_URL finished segments are announced there. The service logs JSON lines on stderr. GET /healthz, /readyz and
/metrics answer on the HTTP port, and so do sessions: /api/v1/sessions, server-sent events, WebSockets.

Example:
  LOG_DIR=/var/lib/logweir GRPC_HOST=0.0.0.0 logweir serve

Environment (a .env file in the working directory is read unless NODE_ENV=production):
${environmentTable()}

Signals: the first SIGTERM or SIGINT stops taking frames, writes and syncs what was taken, answers, and ends with 0;
after SHUTDOWN_DEADLINE_SECONDS, or at a second signal, the process ends at once. Acknowledged frames are safe in any
case.

Exit codes: 0 stopped, 1 error, 2 wrong usage, 78 wrong configuration (LOG_DIR in use or not usable and a taken port
are that, too); killed by itself (SIGKILL, 137 in a shell) when it did not stop within the deadline.`;

export function registerServe(program: Command, io: ServiceIo, version: string): void {
  program
    .command('serve')
    .description('Run the server until SIGTERM or Ctrl-C')
    .addHelpText('after', help)
    .action(() => serve(io, version));
}

async function serve(io: ServiceIo, version: string): Promise<void> {
  const env = developmentEnvironment(io.env);
  const config = readConfig(env);
  const logger = createLogger(config.logLevel);
  io.onCrash((error) => logger.fatal({ err: error }, 'crashed; acknowledged frames are safe'));
  for (const sentence of unknownVariables(env)) {
    logger.warn({}, sentence);
  }
  if (io.env['UV_THREADPOOL_SIZE'] === undefined) {
    logger.warn({}, 'started past the logweir executable: 4 file threads instead of 16; set UV_THREADPOOL_SIZE=16');
  }

  // The other commands don't pay for loading the service.
  const { startService } = await import('../service.js');
  const service = await startService(config, { logger, version });
  const addresses = {
    grpc: address(config.grpcHost, service.grpcPort),
    http: `http://${address(config.httpHost, service.httpPort)}`,
  };
  setInterval(heapGrowth(), 1000).unref();
  logger.info({ ...addresses, logDir: config.logDir, version }, 'ready');

  const signalName = await interrupted(io.signal);
  const { shutdownDeadlineSeconds } = config;
  io.forceExitAfter(shutdownDeadlineSeconds * 1000, () =>
    logger.fatal(
      { shutdownDeadlineSeconds, ...service.unfinished() },
      'did not stop in time; acknowledged frames are safe',
    ),
  );
  logger.info({ signal: signalName }, 'stopping');
  await service.stop();
  logger.info({}, 'stopped');
  io.setExitCode(EXIT_OK);
}

function interrupted(signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const settle = (): void => resolve(signal.reason instanceof Interrupted ? signal.reason.signalName : 'abort');
    if (signal.aborted) {
      settle();
    } else {
      signal.addEventListener('abort', settle, { once: true });
    }
  });
}

function address(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
