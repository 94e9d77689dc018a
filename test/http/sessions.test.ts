import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Completion } from '../../src/reading/log-events.js';
import { LogClient } from '../support/log-client.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { httpRoom, noSessions } from './http-room.js';

const IDS = ['a', 'a/b', 'a/../c', 'agent ü "1"', 'x'.repeat(1000)];

describe('sessions of a real server', () => {
  let directory: string;
  let server: ServerProcess;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'logweir-http-'));
    server = await startServer({ LOG_DIR: directory, LOG_MAX_SIZE_BYTES: '1048576' });
    using client = new LogClient(server.grpc);
    for (const id of IDS) {
      await client.write([1, 2, 3].map((index) => ({ session_id: id, content: `line ${index}` })));
    }
    // Several segments.
    const big = Array.from({ length: 40 }, () => ({ session_id: 'big', content: 'y'.repeat(100_000) }));
    await client.write(big);
  });

  afterAll(async () => {
    await server.end('SIGKILL');
    await rm(directory, { recursive: true });
  });

  async function get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const answer = await fetch(`${server.http}/api/v1/sessions${path}`);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  it('are listed, a page at a time', async () => {
    const { status, body } = await get('');
    expect(status).toBe(200);
    const listed = (body['sessions'] as { session_id: string }[]).map(({ session_id }) => session_id);
    expect(listed.toSorted()).toEqual([...IDS, 'big'].toSorted());
    expect(body['next_page_token']).toBe('');

    const paged: string[] = [];
    for (let token = ''; ; ) {
      const page = await get(`?page_size=2&page_token=${token}`);
      const rows = page.body['sessions'] as { session_id: string }[];
      expect(rows.length).toBeLessThanOrEqual(2);
      paged.push(...rows.map(({ session_id }) => session_id));
      token = String(page.body['next_page_token']);
      if (token === '') {
        break;
      }
    }
    expect(paged).toEqual(listed);
    const prefixed = await get(`?prefix=${encodeURIComponent('a/')}`);
    expect((prefixed.body['sessions'] as object[]).length).toBe(2);
  });

  it.each(IDS)('%s is found by its id', async (id) => {
    const { status, body } = await get(`/${encodeURIComponent(id)}`);
    expect([status, body]).toMatchObject([
      200,
      { session_id: id, status: 'active', exit_code: null, first_seq: 1, last_seq: 3, segments: 1 },
    ]);
    const logs = await fetch(`${server.http}/api/v1/sessions/${encodeURIComponent(id)}/logs?tail=1`);
    expect((JSON.parse(await logs.text()) as { content: string }).content).toBe('line 3');
  });

  it('are downloaded in part, over several segments, whatever a filter leaves', async () => {
    const download = async (query: string): Promise<number[]> => {
      const answer = await fetch(`${server.http}/api/v1/sessions/big/logs?${query}`);
      expect(answer.status).toBe(200);
      const lines = (await answer.text()).trimEnd().split('\n');
      return lines.filter((line) => line !== '').map((line) => (JSON.parse(line) as { seq: number }).seq);
    };
    expect(await download('after_seq=8&through_seq=13')).toEqual([9, 10, 11, 12, 13]);
    expect(await download('through_seq=2')).toEqual([1, 2]);
    expect(await download('tail=3')).toEqual([38, 39, 40]);
    expect(await download('after_seq=38&pattern=^y%2B$')).toEqual([39, 40]);
    expect(await download('through_seq=20&keywords=nothing')).toEqual([]);
    expect(await download('after_seq=100')).toEqual([]);
  });

  it('have manifests, a page at a time', async () => {
    await expect
      .poll(async () => ((await get('/big/segments')).body['segments'] as object[]).length)
      .toBeGreaterThanOrEqual(3);
    const first = await get('/big/segments?page_size=1');
    const second = await get(`/big/segments?page_size=1&page_token=${String(first.body['next_page_token'])}`);
    const [one] = first.body['segments'] as Record<string, number>[];
    const [two] = second.body['segments'] as Record<string, number>[];
    expect(one).toMatchObject({ session_id: 'big', first_seq: 1, reason: 'size' });
    expect(two?.['first_seq']).toBe((one?.['last_seq'] ?? 0) + 1);
    expect((await get('/a/segments')).body).toEqual({ segments: [], next_page_token: '' });
  });

  it('that are not there are 404, and what can not be asked for is 400', async () => {
    expect(await get('/nobody')).toEqual({ status: 404, body: { error: 'there is no session "nobody"' } });
    expect((await get('/nobody/segments')).status).toBe(404);
    for (const [query, parameter] of [
      ['page_size=0', 'page_size'],
      ['page_size=1001', 'page_size'],
      ['page_size=x', 'page_size'],
      ['page_token=x', 'page_token'],
      [`page_token=${Buffer.from('[1,2]').toString('base64url')}`, 'page_token'],
    ]) {
      expect(await get(`?${query}`), query).toMatchObject({ status: 400, body: { parameter } });
      expect(await get(`/big/segments?${query}`), query).toMatchObject({ status: 400, body: { parameter } });
    }
  });

  it('are not changed by GET, nor by what has no such method', async () => {
    for (const [method, path, allow] of [
      ['GET', '/a/complete', 'POST'],
      ['POST', '/a', 'GET, HEAD'],
      ['DELETE', '/a/logs', 'GET, HEAD'],
      ['OPTIONS', '/a/complete', 'POST'],
    ] as const) {
      const answer = await fetch(`${server.http}/api/v1/sessions${path}`, { method });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
    }
  });
});

describe('completing a session', () => {
  interface Told {
    sessionId: string;
    status: string;
    exitCode: number | null;
  }

  async function complete(
    body: string,
    { contentType = 'application/json', stored = null }: { contentType?: string; stored?: Completion | null } = {},
  ): Promise<[number, unknown, Told[]]> {
    const told: Told[] = [];
    await using room = await httpRoom({
      sessions: {
        ...noSessions,
        completeSession: (sessionId, status, exitCode) => {
          told.push({ sessionId, status, exitCode });
          if (stored !== null) {
            return Promise.resolve({ kind: 'conflict', stored });
          }
          return Promise.resolve({ kind: 'completed', completion: { status, exitCode, lastSeq: 9 }, isNew: true });
        },
      },
    });
    const answer = await fetch(`${room.url}/api/v1/sessions/${encodeURIComponent('a/b')}/complete`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': contentType },
    });
    return [answer.status, await answer.json(), told];
  }

  it('passes on how it ended', async () => {
    expect(await complete('{"status":"failed","exit_code":-2147483648}')).toEqual([
      200,
      { session_id: 'a/b', status: 'failed', exit_code: -2147483648, last_seq: 9 },
      [{ sessionId: 'a/b', status: 'failed', exitCode: -2147483648 }],
    ]);
    expect(await complete('{}', { contentType: 'application/json; charset=utf-8' })).toMatchObject([
      200,
      {},
      [{ status: 'completed', exitCode: null }],
    ]);
  });

  it('another way than before is a conflict', async () => {
    const stored = { status: 'ok', exitCode: null, lastSeq: 4 };
    expect(await complete('{"status":"failed"}', { stored })).toMatchObject([
      409,
      { error: 'it was completed at seq 4 as "ok", exit code none' },
      [{}],
    ]);
  });

  it('of an unknown session is 404', async () => {
    await using room = await httpRoom();
    const answer = await fetch(`${room.url}/api/v1/sessions/x/complete`, {
      method: 'POST',
      body: '{}',
      headers: { 'Content-Type': 'application/json' },
    });
    expect(answer.status).toBe(404);
  });

  it.each([
    ['{"status":5}', 400, 'status'],
    [`{"status":"${'x'.repeat(257)}"}`, 400, 'status'],
    ['{"exit_code":"1"}', 400, 'exit_code'],
    ['{"exit_code":1.5}', 400, 'exit_code'],
    ['{"exit_code":2147483648}', 400, 'exit_code'],
    ['{', 400, undefined],
    ['', 400, undefined],
    ['[]', 400, undefined],
    ['null', 400, undefined],
    [`{"status":"${'x'.repeat(20_000)}"}`, 413, undefined],
    [`{"status":"${'x'.repeat(2_000_000)}"}`, 413, undefined],
  ])('%.30s is refused with %i', async (body, status, parameter) => {
    const [answered, problem, told] = await complete(body);
    expect([answered, (problem as { parameter?: string }).parameter, told]).toEqual([status, parameter, []]);
  });

  it('by a form of another page is refused', async () => {
    for (const contentType of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', '']) {
      expect((await complete('{}', { contentType }))[0]).toBe(415);
    }
  });
});
