import { once } from 'node:events';
import {
  type ClientReadableStream,
  credentials,
  makeClientConstructor,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Health } from '../../src/grpc/health.js';
import { collectGarbage } from '../support/collect-garbage.js';

const LOG_SERVICE = 'logging.v1.LogService';

interface HealthAnswer {
  readonly status: string;
}

let server: Server;
let health: Health;
let client: InstanceType<ServiceClientConstructor>;

beforeEach(async () => {
  server = new Server();
  health = new Health([LOG_SERVICE]);
  health.addTo(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const HealthClient = makeClientConstructor(service, 'Health');
  client = new HealthClient(`127.0.0.1:${port}`, credentials.createInsecure());
});

afterEach(() => {
  client.close();
  server.forceShutdown();
});

/** A method of the client, which has no static type. */
const method = (name: string) => client[name]?.bind(client);

/** The status of a service, or the name of the code the call failed with. */
function check(name: string): Promise<string> {
  return new Promise((resolve) => {
    method('check')({ service: name }, (error: ServiceError | null, answer?: HealthAnswer) =>
      resolve(error === null ? (answer?.status ?? 'nothing') : (status[error.code] ?? 'no code')),
    );
  });
}

/** A Watch call whose statuses are taken one at a time. */
function watch(name: string) {
  const call: ClientReadableStream<HealthAnswer> = method('watch')({ service: name });
  // What ends a call is an error too, CANCELLED among them.
  const ended = new Promise<string>((resolve) => {
    call.on('error', (error: ServiceError) => resolve(status[error.code] ?? 'no code'));
    call.on('end', () => resolve('OK'));
  });
  const statuses: string[] = [];
  call.on('data', (answer: HealthAnswer) => statuses.push(answer.status));
  const next = async () => {
    while (statuses.length === 0) {
      await once(call, 'data');
    }
    return statuses.shift();
  };
  return { call, next, ended, statuses };
}

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

describe('Health', () => {
  it('is not serving until it is told', async () => {
    expect(await check('')).toBe('NOT_SERVING');
    expect(await check(LOG_SERVICE)).toBe('NOT_SERVING');
  });

  it('says the same of the server and of each service', async () => {
    health.setServing(true);
    expect([await check(''), await check(LOG_SERVICE)]).toEqual(['SERVING', 'SERVING']);
    health.setServing(false);
    expect([await check(''), await check(LOG_SERVICE)]).toEqual(['NOT_SERVING', 'NOT_SERVING']);
  });

  it('answers NOT_FOUND for a service that is not there', async () => {
    health.setServing(true);
    expect(await check('logging.v1.Nobody')).toBe('NOT_FOUND');
    expect(await check('__proto__')).toBe('NOT_FOUND');
  });

  it('lists every name with its status', async () => {
    health.setServing(true);
    const statuses = await new Promise((resolve, reject) => {
      method('list')({}, (error: ServiceError | null, answer?: { statuses: object }) =>
        error === null ? resolve(answer?.statuses) : reject(error),
      );
    });
    expect(statuses).toEqual({ '': { status: 'SERVING' }, [LOG_SERVICE]: { status: 'SERVING' } });
  });

  it('sends each change to every open watch, once', async () => {
    health.setServing(true);
    const overall = watch('');
    const log = watch(LOG_SERVICE);
    expect([await overall.next(), await log.next()]).toEqual(['SERVING', 'SERVING']);

    health.setServing(true);
    health.setServing(false);
    health.setServing(false);
    expect([await overall.next(), await log.next()]).toEqual(['NOT_SERVING', 'NOT_SERVING']);

    health.setServing(true);
    expect([await overall.next(), await log.next()]).toEqual(['SERVING', 'SERVING']);
    expect([overall.statuses, log.statuses]).toEqual([[], []]);
  });

  it('lets a watch see NOT_SERVING before a drained server closes it', async () => {
    health.setServing(true);
    const overall = watch('');
    expect(await overall.next()).toBe('SERVING');

    health.setServing(false);
    server.tryShutdown(() => undefined);
    expect(await overall.next()).toBe('NOT_SERVING');
    server.forceShutdown();
    expect(await overall.ended).not.toBe('OK');
  });

  it('keeps the watch of an unknown service open and says so', async () => {
    const unknown = watch('logging.v1.Nobody');
    expect(await unknown.next()).toBe('SERVICE_UNKNOWN');

    health.setServing(true);
    expect(await check('')).toBe('SERVING');
    expect(unknown.statuses).toEqual([]);

    unknown.call.cancel();
    expect(await unknown.ended).toBe('CANCELLED');
  });

  it('keeps nothing of the names that strangers watched', async () => {
    const NAMES = 40;
    const NAME_BYTES = 1024 * 1024;
    const before = heapBytes();
    for (let i = 0; i < NAMES; i++) {
      const stranger = watch(`${i}`.padEnd(NAME_BYTES, 'x'));
      expect(await stranger.next()).toBe('SERVICE_UNKNOWN');
      stranger.call.cancel();
      expect(await stranger.ended).toBe('CANCELLED');
    }
    // The server hears of the last cancellation after its client does.
    await expect.poll(() => heapBytes() - before, { timeout: 10_000 }).toBeLessThan((NAMES * NAME_BYTES) / 2);
  });

  it('outlives watches that were cancelled', async () => {
    health.setServing(true);
    const left = watch('');
    const stays = watch('');
    expect([await left.next(), await stays.next()]).toEqual(['SERVING', 'SERVING']);

    left.call.cancel();
    expect(await left.ended).toBe('CANCELLED');
    health.setServing(false);
    expect(await stays.next()).toBe('NOT_SERVING');
    expect(left.statuses).toEqual([]);
  });
});
