/** What a browser makes of it: its EventSource and its WebSocket, through a connection that breaks. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isBrowserThere, startBrowser } from '../support/browser.js';
import { type HttpRoom, httpRoom } from './http-room.js';

/** Passes bytes on, until it is told to break every connection. */
class BreakingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: number): Promise<BreakingProxy> {
    const server = createServer();
    const proxy = new BreakingProxy(server);
    server.on('connection', (near) => {
      proxy.connections++;
      const far = connect(port, '127.0.0.1');
      for (const socket of [near, far]) {
        proxy.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.once('close', () => proxy.#sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  break(): void {
    for (const socket of this.#sockets) {
      socket.resetAndDestroy();
    }
  }

  close(): void {
    this.#server.close();
    this.break();
  }
}

describe.skipIf(!isBrowserThere)('a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
  });

  /** A page that really came from there: what a browser lets a page do on loopback depends on that. */
  async function openPage(origin: string): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`${origin}/healthz`);
    return page;
  }

  function follow(page: Page, path: string): Promise<void> {
    return page.evaluate((streamPath) => {
      const seen: string[] = [];
      const source = new EventSource(streamPath);
      for (const name of ['log', 'complete', 'gap', 'heartbeat', 'error', 'open']) {
        source.addEventListener(name, (event) => {
          const { data, lastEventId } = event as Event & { data?: string; lastEventId?: string };
          seen.push(data === undefined ? `(${name} ${source.readyState})` : `${name} ${lastEventId}`);
        });
      }
      Object.assign(globalThis, { seen, source });
    }, path);
  }

  const seen = (page: Page): Promise<string[]> => page.evaluate('seen');

  it("'s EventSource loses and repeats no line when its connection breaks, and stops at the end", async () => {
    await using room = await httpRoom();
    const proxy = await BreakingProxy.to(room.server.port);
    room.logs.append('a/b ü', 'one', 'two');
    const page = await openPage(proxy.url);
    await follow(page, `/api/v1/log-streaming/stream/${encodeURIComponent('a/b ü')}`);
    await expect.poll(() => seen(page)).toContain('log 2');
    for (let round = 0; round < 3; round++) {
      proxy.break();
      room.logs.append('a/b ü', `after ${round}`, 'and more');
      await expect.poll(() => seen(page)).toContain(`log ${4 + 2 * round}`);
    }
    room.logs.complete('a/b ü');
    // It asks once more, and is told that there is nothing.
    await expect.poll(() => page.evaluate('source.readyState')).toBe(2);

    const events = (await seen(page)).filter((event) => !event.startsWith('('));
    expect(events).toEqual([...Array.from({ length: 8 }, (_, index) => `log ${index + 1}`), 'complete 8']);
    expect(room.logs.open).toBe(0);
    await page.close();
    proxy.close();
  });

  it("'s EventSource goes on behind where it began when its connection breaks before the first line", async () => {
    await using room = await httpRoom({ heartbeatMs: 20 });
    const proxy = await BreakingProxy.to(room.server.port);
    room.logs.append('s', 'one', 'two');
    const page = await openPage(proxy.url);
    await follow(page, '/api/v1/log-streaming/stream/s?tail=0');
    await expect.poll(() => seen(page)).toContain('heartbeat 2');
    proxy.break();
    room.logs.append('s', 'three', 'four');
    const lines = async (): Promise<string[]> => (await seen(page)).filter((event) => event.startsWith('log'));
    await expect.poll(lines).toEqual(['log 3', 'log 4']);
    await page.close();
    proxy.close();
  });

  it("'s EventSource is told that it missed something of all sessions, though it had no event yet", async () => {
    await using room = await httpRoom({ heartbeatMs: 20 });
    const proxy = await BreakingProxy.to(room.server.port);
    const page = await openPage(proxy.url);
    await follow(page, '/api/v1/log-streaming/stream');
    await expect.poll(() => seen(page)).toContain('heartbeat /0');
    proxy.break();
    room.logs.append('s', 'one');
    await expect.poll(() => seen(page)).toContain('gap /0');
    await page.close();
    proxy.close();
  });

  it("'s EventSource is not told about a session that is not there again and again", async () => {
    await using room = await httpRoom();
    const page = await openPage(room.url);
    await follow(page, '/api/v1/log-streaming/stream/nobody');
    await expect.poll(() => page.evaluate('source.readyState')).toBe(2);
    expect(await seen(page)).toEqual(['(error 2)']);
    await page.close();
  });

  it("'s EventSource sees every session", async () => {
    await using room = await httpRoom();
    const page = await openPage(room.url);
    await follow(page, '/api/v1/log-streaming/stream');
    await expect.poll(() => room.logs.open).toBe(1);
    room.logs.append('a', 'one');
    room.logs.append('b ü', 'one', 'two');
    await expect
      .poll(async () => (await seen(page)).filter((event) => event.startsWith('log')))
      .toEqual(['log a/1', 'log b%20%C3%BC/1', 'log b%20%C3%BC/2']);
    await page.close();
    await expect.poll(() => room.logs.open).toBe(0);
  });

  function watch(page: Page, url: string): Promise<void> {
    return page.evaluate((socketUrl) => {
      const messages: unknown[] = [];
      const socket = new WebSocket(socketUrl);
      socket.addEventListener('message', ({ data }: MessageEvent) => messages.push(JSON.parse(data)));
      const socketClosed = new Promise((resolve) => {
        socket.addEventListener('close', ({ code, wasClean }) => resolve([code, wasClean]));
      });
      Object.assign(globalThis, { messages, socketClosed });
    }, url);
  }

  const socketUrl = (room: HttpRoom, path: string): string => room.url.replace('http', 'ws') + path;

  it("'s WebSocket gets lines through to the end", async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one', 'x'.repeat(100_000), '\ud83d\ude00 ü');
    const page = await openPage(room.url);
    await watch(page, socketUrl(room, '/logs/s'));
    await expect.poll(() => page.evaluate('messages.length')).toBe(3);
    room.logs.append('s', 'four');
    room.logs.complete('s', 'stopped', 0);
    expect(await page.evaluate('socketClosed')).toEqual([1000, true]);
    const messages = await page.evaluate<{ type: string; seq?: number; content?: string }[]>('messages');
    expect(messages.map(({ type, seq }) => [type, seq])).toEqual([
      ['log', 1],
      ['log', 2],
      ['log', 3],
      ['log', 4],
      ['complete', undefined],
    ]);
    expect(messages[2]?.content).toBe('\ud83d\ude00 ü');
    await page.close();
  });

  it("'s WebSocket of another origin's page gets nothing", async () => {
    await using room = await httpRoom();
    await using other = await httpRoom();
    room.logs.append('s', 'one');
    const page = await openPage(other.url);
    await watch(page, socketUrl(room, '/logs/s'));
    expect(await page.evaluate('socketClosed')).toEqual([1006, false]);
    expect(await page.evaluate('messages')).toEqual([]);
    await follow(page, `${room.url}/api/v1/log-streaming/stream/s`);
    await expect.poll(() => page.evaluate('source.readyState')).toBe(2);
    expect(await seen(page)).toEqual(['(error 2)']);
    await page.close();
    await expect.poll(() => room.logs.open).toBe(0);
  });
});
