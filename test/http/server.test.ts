import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { type RunningHttpServer, startHttpServer } from '../../src/http/server.js';
import { silentLogger } from '../../src/telemetry/logger.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { noSessions } from './http-room.js';
import { MemoryLogs } from './memory-logs.js';

const servers: RunningHttpServer[] = [];

async function start(overrides: Partial<Parameters<typeof startHttpServer>[0]> = {}): Promise<RunningHttpServer> {
  const server = await startHttpServer({
    maxConnections: 100,
    host: '127.0.0.1',
    port: 0,
    logger: silentLogger,
    metrics: new Metrics({ version: '1.2.3' }),
    readiness: () => ({ ready: true, reasons: [] }),
    source: new MemoryLogs(),
    sessions: noSessions,
    ...overrides,
  });
  servers.push(server);
  return server;
}

function metricsOf(registry: Registry): Parameters<typeof startHttpServer>[0]['metrics'] {
  const { viewersOpen, linesDelivered } = new Metrics({ version: '1.2.3' });
  return { registry, viewersOpen, linesDelivered };
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function ask(
  { port }: RunningHttpServer,
  path: string,
  { method = 'GET', agent }: { method?: string; agent?: Agent } = {},
): Promise<{ status: number | undefined; headers: IncomingMessage['headers']; body: string }> {
  const sent = request({ host: '127.0.0.1', port, path, method, ...(agent === undefined ? {} : { agent }) }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

/** Everything the server says on one connection until it hangs up. */
async function raw({ port }: RunningHttpServer, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(bytes);
  return text(socket);
}

describe('probes', () => {
  it('/healthz answers while the process runs, ready or not', async () => {
    const server = await start({ readiness: () => ({ ready: false, reasons: ['the disk is full'] }) });
    expect(await ask(server, '/healthz')).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await ask(server, '/healthz?verbose=1')).toMatchObject({ status: 200 });
  });

  it('/readyz says whether frames can be stored, and why not', async () => {
    let reasons: string[] = [];
    const server = await start({ readiness: () => ({ ready: reasons.length === 0, reasons }) });
    const ready = await ask(server, '/readyz');
    expect(ready.status).toBe(200);
    expect(JSON.parse(ready.body)).toEqual({ ready: true, reasons: [] });

    reasons = ['the disk is full'];
    const unready = await ask(server, '/readyz');
    expect(unready.status).toBe(503);
    expect(unready.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(JSON.parse(unready.body)).toEqual({ ready: false, reasons: ['the disk is full'] });
  });

  it('HEAD is GET without a body', async () => {
    const answer = await ask(await start(), '/healthz', { method: 'HEAD' });
    expect(answer).toMatchObject({ status: 200, body: '' });
    expect(answer.headers['content-length']).toBe('3');
  });
});

describe('/metrics', () => {
  it('is what the registry holds, in the text format', async () => {
    const answer = await ask(await start(), '/metrics');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.body).toContain('logweir_build_info{version="1.2.3"');
  });

  it('that fail are a 500 that tells the client nothing and the log everything', async () => {
    const registry = new Registry();
    registry.metrics = () => Promise.reject(new Error('secret /var/lib/logweir'));
    const logged: object[] = [];
    const logger = { ...silentLogger, error: (fields: object) => logged.push(fields) };
    const server = await start({ metrics: metricsOf(registry), logger });

    const answer = await ask(server, '/metrics');

    expect(answer).toMatchObject({ status: 500, body: '{"error":"internal error"}\n' });
    expect(logged).toMatchObject([{ path: '/metrics', err: { message: 'secret /var/lib/logweir' } }]);
  });
});

describe('requests that nothing answers', () => {
  it('another path is 404', async () => {
    const server = await start();
    for (const path of ['/', '/metrics/', '//healthz', '/../healthz', '/%68ealthz']) {
      expect(await ask(server, path)).toMatchObject({ status: 404, body: '{"error":"not found"}\n' });
    }
  });

  it('another method is 405 with Allow', async () => {
    const server = await start();
    for (const method of ['POST', 'DELETE', 'OPTIONS']) {
      const answer = await ask(server, '/readyz', { method });
      expect(answer.status).toBe(405);
      expect(answer.headers.allow).toBe('GET, HEAD');
    }
  });

  it('malformed ones get a status and a closed connection', async () => {
    const server = await start();
    expect(await raw(server, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1.1 400 Bad Request\r\nConnection: close/);
    const huge = `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
    expect(await raw(server, huge)).toMatch(/^HTTP\/1.1 431 /);
    expect(await ask(server, '/healthz')).toMatchObject({ status: 200 });
  });

  it('a proxy may send the absolute form', async () => {
    const answer = await raw(
      await start(),
      'GET http://logs.internal/healthz?x HTTP/1.1\r\nHost: logs.internal\r\nConnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 OK/);
  });
});

describe('start and end', () => {
  it('a port in use is passed on with its code', async () => {
    const { port } = await start();
    await expect(start({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('close ends idle connections at once and lets a running request end, closing its connection', async () => {
    const registry = new Registry();
    let finish: (text: string) => void = () => undefined;
    let asked: () => void = () => undefined;
    const running = new Promise<void>((resolve) => {
      asked = resolve;
    });
    registry.metrics = () =>
      new Promise((resolve) => {
        finish = resolve;
        asked();
      });
    const server = await start({ metrics: metricsOf(registry) });
    const agent = new Agent({ keepAlive: true });
    await ask(server, '/healthz', { agent });
    const scrape = ask(server, '/metrics');
    await running;

    const closed = server.close();
    await expect(ask(server, '/healthz')).rejects.toThrow(/ECONNREFUSED/);
    finish('done\n');

    const answer = await scrape;
    expect(answer).toMatchObject({ status: 200, body: 'done\n' });
    expect(answer.headers.connection).toBe('close');
    await closed;
    agent.destroy();
  });
});
