import { credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';

/** What an operator sees of a server from outside. */

/** The sum of a metric over its labels, or of those with this label; undefined when there is none. */
export async function metric(http: string, name: string, label = ''): Promise<number | undefined> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const values = text
    .split('\n')
    .filter((line) => (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(label))
    .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
}

export async function readiness(http: string): Promise<{ ready: boolean; reasons: string[] }> {
  return (await (await fetch(`${http}/readyz`)).json()) as { ready: boolean; reasons: string[] };
}

interface HealthClient {
  check(request: object, callback: (error: ServiceError | null, answer?: { status: string }) => void): void;
  close(): void;
}

/** What grpc.health.v1.Health says of the log service. */
export function health(grpc: string): Promise<string> {
  const Client = loadPackageDefinition({ Health: healthService })['Health'] as unknown as new (
    address: string,
    security: object,
  ) => HealthClient;
  const client = new Client(grpc, credentials.createInsecure());
  return new Promise((resolve) => {
    client.check({ service: 'logging.v1.LogService' }, (error, answer) => {
      client.close();
      resolve(error === null ? (answer?.status ?? '') : error.details);
    });
  });
}
