import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { unlessAborted } from '../../src/reading/read-places.js';
import { ReadingError } from '../../src/reading/reading-error.js';
import { SseClient } from '../support/sse-client.js';
import { type HttpRoom, httpRoom } from './http-room.js';
import { MemoryLogs } from './memory-logs.js';

const STREAM = '/api/v1/log-streaming/stream';

const openStreams = (room: HttpRoom): Promise<number> => room.metric('logweir_viewers_open{kind="sse"}');

describe('a session as server-sent events', () => {
  it('is its history, what comes then, and how it ended', async () => {
    await using room = await httpRoom();
    room.logs.append('a/b ü', 'one', 'two');
    await using stream = await SseClient.open(`${room.url}${STREAM}/${encodeURIComponent('a/b ü')}`);
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    });
    await expect.poll(() => stream.seqs()).toEqual([1, 2]);
    room.logs.append('a/b ü', 'three');
    room.logs.lose('a/b ü', 4);
    room.logs.append('a/b ü', 'eight');
    room.logs.complete('a/b ü', 'failed', 3);

    expect(await stream.ended).toBe(true);

    expect(stream.events.map(({ event, id }) => `${event} ${id}`)).toEqual([
      'log 1',
      'log 2',
      'log 3',
      'gap 7',
      'log 8',
      'complete 8',
    ]);
    expect(stream.events[0]?.data).toBe(
      '{"seq":1,"time":"2026-11-21T10:00:00Z","session_id":"a/b ü","role":"stdout","content":"one"}',
    );
    expect(stream.events[3]?.data).toBe('{"first_seq":4,"last_seq":7}');
    expect(stream.events[5]?.data).toBe('{"status":"failed","exit_code":3,"last_seq":8}');
    expect(await room.metric('logweir_lines_delivered_total')).toBe(4);
  });

  it('goes on behind the last event that the client had, whatever the URL says', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one', 'two', 'three');
    for (const query of ['', '?after_seq=1', '?tail=3']) {
      await using stream = await SseClient.open(`${room.url}${STREAM}/s${query}`, { 'Last-Event-ID': '2' });
      await expect.poll(() => stream.seqs()).toEqual([3]);
    }
    await using after = await SseClient.open(`${room.url}${STREAM}/s?after_seq=1`);
    await expect.poll(() => after.seqs()).toEqual([2, 3]);
    await using tail = await SseClient.open(`${room.url}${STREAM}/s?tail=1`);
    await expect.poll(() => tail.seqs()).toEqual([3]);
  });

  it('tells a browser that has seen the end to stop asking', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one', 'two');
    room.logs.complete('s');
    await using first = await SseClient.open(`${room.url}${STREAM}/s?keywords=nothing`);
    expect(await first.ended).toBe(true);
    const lastId = first.events.at(-1)?.id ?? '';
    expect(first.events.map(({ event }) => event)).toEqual(['complete']);

    await using again = await SseClient.open(`${room.url}${STREAM}/s?keywords=nothing`, { 'Last-Event-ID': lastId });
    expect(again.status).toBe(204);
    // It may have been opened again since then.
    room.logs.append('s', 'three');
    await using early = await SseClient.open(`${room.url}${STREAM}/s`, { 'Last-Event-ID': '1' });
    expect(early.status).toBe(200);
  });

  it('waits behind the end when the session goes on', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    await using stream = await SseClient.open(`${room.url}${STREAM}/s?after_seq=1`);
    room.logs.append('s', 'two');
    await expect.poll(() => stream.seqs()).toEqual([2]);
  });

  it('says that it is there while it is quiet', async () => {
    await using room = await httpRoom({ heartbeatMs: 20 });
    room.logs.append('s', 'one');
    await using stream = await SseClient.open(`${room.url}${STREAM}/s`);
    await expect.poll(() => stream.named('heartbeat').length).toBeGreaterThan(2);
    expect(stream.named('heartbeat')[0]?.id).toBeNull();
  });

  it('tells an error and ends', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    await using stream = await SseClient.open(`${room.url}${STREAM}/s`);
    await expect.poll(() => stream.seqs()).toEqual([1]);
    room.logs.fail('s', new ReadingError('DAMAGED_SEGMENT', 'segment 1 is damaged'));
    expect(await stream.ended).toBe(true);
    expect(stream.events.at(-1)).toEqual({
      id: null,
      event: 'error',
      data: '{"code":"DAMAGED_SEGMENT","message":"segment 1 is damaged","retry":false}',
    });

    room.logs.append('t', 'one');
    await using other = await SseClient.open(`${room.url}${STREAM}/t`);
    room.logs.fail('t', new Error('secret /var/lib'));
    expect(await other.ended).toBe(true);
    expect(other.events.at(-1)?.data).toBe('{"code":"INTERNAL","message":"internal error","retry":true}');
  });

  it('is filtered under both spellings', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'One error', 'two', 'three errors');
    for (const query of [
      'keywords=ERROR,nothing',
      'keywords=nothing&keywords=ERROR',
      'pattern=err(or)',
      'source=stdout&keywords=error',
      'role=stdout&pattern=errors?',
    ]) {
      await using stream = await SseClient.open(`${room.url}${STREAM}/s?${query}`);
      await expect.poll(() => stream.seqs(), { message: query }).toEqual([1, 3]);
    }
    for (const query of [
      'source=stderr',
      'role=stderr',
      'user_id=u',
      'workerId=u',
      'level=error',
      'start_time=2026-11-21T10:00:01Z',
      'end_time=2026-11-21T11:00:00%2B01:00',
      'end_time=2026-11-21T11:00:00+01:00',
    ]) {
      await using stream = await SseClient.open(`${room.url}${STREAM}/s?tail=2&${query}`);
      room.logs.complete('s');
      expect(await stream.ended, query).toBe(true);
      expect(stream.seqs(), query).toEqual([]);
    }
  });

  it('of HEAD is the headers', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    const answer = await fetch(`${room.url}${STREAM}/s`, { method: 'HEAD' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    expect(await answer.text()).toBe('');
  });
});

describe('all sessions as server-sent events', () => {
  it('are what is written from now on, each event with its session', async () => {
    await using room = await httpRoom();
    room.logs.append('a', 'before');
    await using stream = await SseClient.open(`${room.url}${STREAM}?keywords=x`);
    await expect.poll(() => room.logs.open).toBe(1);
    room.logs.append('a/ü', 'x1');
    room.logs.append('b', 'y');
    room.logs.append('b', 'x2');
    room.logs.lose('b', 1);
    room.logs.complete('b', 'stopped', null);
    await expect.poll(() => stream.events.length).toBe(4);
    expect(stream.events.map(({ event, id }) => `${event} ${id}`)).toEqual([
      'log a%2F%C3%BC/1',
      'log b/2',
      'gap b/3',
      'complete b/3',
    ]);
    expect(stream.events[2]?.data).toBe('{"session_id":"b","first_seq":3,"last_seq":3}');
    expect(stream.events[3]?.data).toBe('{"session_id":"b","status":"stopped","exit_code":null,"last_seq":3}');
  });

  it('do not hide what a client missed that comes again', async () => {
    await using room = await httpRoom();
    await using stream = await SseClient.open(`${room.url}${STREAM}`, { 'Last-Event-ID': 'a/"7' });
    expect(await stream.opened).toBe('a/"7');
    await expect.poll(() => stream.events).toEqual([{ id: null, event: 'gap', data: '{"last_event_id":"a/\\"7"}' }]);
  });
});

describe('what is wrong with a request', () => {
  it.each([
    ['unknown', 404, undefined],
    ['s?after_seq=x', 400, 'after_seq'],
    ['s?after_seq=-1', 400, 'after_seq'],
    ['s?after_seq=1.5', 400, 'after_seq'],
    ['s?after_seq=9007199254740992', 400, 'after_seq'],
    ['s?after_seq=1&after_seq=2', 400, 'after_seq'],
    ['s?tail=many', 400, 'tail'],
    ['s?tail=1&after_seq=1', 400, 'tail'],
    ['s?start_time=yesterday', 400, 'start_time'],
    ['s?end_time=2026-02-30T00:00:00Z', 400, 'end_time'],
    ['s?pattern=(', 400, 'pattern'],
    [`s?pattern=${'x'.repeat(600)}`, 400, 'pattern'],
    [`s?level=${'a,'.repeat(200)}`, 400, 'level'],
    [`s?source=${'a'.repeat(2000)}`, 400, 'role'],
    ['s?keywords=%zz', 400, undefined],
    ['s?keywords=%ff', 400, undefined],
    ['%zz', 400, 'session_id'],
    ['%c0%80', 400, 'session_id'],
    ['', 400, 'session_id'],
    ['x'.repeat(1025), 400, 'session_id'],
  ])('%s is answered with %i, naming the parameter', async (path, status, parameter) => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    const answer = await fetch(`${room.url}${STREAM}/${path}`);
    const body = (await answer.json()) as { error: string; parameter?: string };
    expect([answer.status, body.parameter]).toEqual([status, parameter]);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(body.error).toMatch(/^[^\n]{10,}$/);
    expect(room.logs.open).toBe(0);
  });

  it.each(['abc', '-1', '9007199254740992', '1e3', '1,2', 'a/1'])('Last-Event-ID: %s is 400', async (id) => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    const answer = await fetch(`${room.url}${STREAM}/s`, { headers: { 'Last-Event-ID': id } });
    expect([answer.status, await answer.json()]).toMatchObject([400, { parameter: 'Last-Event-ID' }]);
  });

  it('a session id breaks no header and no event', async () => {
    await using room = await httpRoom();
    const id = 'x\r\nSet-Cookie: a=b\r\n\r\ndata: y\u2028';
    const unknown = await fetch(`${room.url}${STREAM}/${encodeURIComponent(id)}`);
    expect([unknown.status, unknown.headers.get('set-cookie')]).toEqual([404, null]);
    await using stream = await SseClient.open(`${room.url}${STREAM}`);
    await expect.poll(() => room.logs.open).toBe(1);
    room.logs.append(id, 'line');
    room.logs.lose(id, 1);
    room.logs.complete(id, 'a\n\ndata: b');
    await expect.poll(() => stream.events.map(({ event }) => event)).toEqual(['log', 'gap', 'complete']);
  });
});

describe('what a viewer holds', () => {
  it('is released when it leaves, quiet or not', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    const streams = await Promise.all([
      SseClient.open(`${room.url}${STREAM}/s`),
      SseClient.open(`${room.url}${STREAM}/s?pattern=x`),
      SseClient.open(`${room.url}${STREAM}`),
    ]);
    await expect.poll(() => room.logs.open).toBe(3);
    expect(await openStreams(room)).toBe(3);
    await Promise.all(streams.map((stream) => stream.close()));
    await expect.poll(() => room.logs.open).toBe(0);
    expect(await openStreams(room)).toBe(0);
  });

  it('is one chunk when it does not read, which others do not wait for', async () => {
    await using room = await httpRoom({ heartbeatMs: 10 });
    const chunk = Array.from({ length: 100 }, () => 'x'.repeat(1000));
    room.logs.append('s', ...chunk);
    await using slow = await SseClient.open(`${room.url}${STREAM}/s`);
    slow.pause();
    await using quick = await SseClient.open(`${room.url}${STREAM}/s`);
    for (let index = 0; index < 300; index++) {
      room.logs.append('s', ...chunk);
    }
    await expect.poll(() => quick.seqs().length).toBe(30_100);
    const takenBefore = room.logs.taken;
    await delay(100);
    // The slow one took what fits into the sockets' buffers, and no more.
    expect(room.logs.taken).toBe(takenBefore);
    expect(takenBefore).toBeLessThan(301 + 150);
    slow.resume();
    await expect.poll(() => slow.seqs().length).toBe(30_100);
    expect(slow.seqs()).toEqual(quick.seqs());
  });

  it('is let go of when it takes nothing for too long, and not when it is quiet', async () => {
    await using room = await httpRoom({ stallMs: 300 });
    room.logs.append('s', 'one');
    room.logs.append('big', ...Array.from({ length: 100 }, () => 'x'.repeat(1_000_000)));
    await using quiet = await SseClient.open(`${room.url}${STREAM}/s`);
    await using stalled = await SseClient.open(`${room.url}${STREAM}/big`);
    stalled.pause();
    await expect.poll(() => openStreams(room)).toBe(1);
    await delay(1_000);
    room.logs.append('s', 'two');
    await expect.poll(() => quiet.seqs()).toEqual([1, 2]);
  });

  it('of thousands that come and go is nothing', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        Array.from({ length: 100 }, async () => {
          const stream = await SseClient.open(`${room.url}${STREAM}/s`);
          await stream.close();
        }),
      );
    }
    await expect.poll(() => room.logs.open).toBe(0);
    await expect.poll(() => openStreams(room)).toBe(0);
  });
});

describe('a tail that is still looked for', () => {
  it('is given up when the server ends, which is told', async () => {
    const logs = new MemoryLogs();
    logs.append('s', 'one');
    let asked = 0;
    logs.tailStart = (_sessionId: string, _count: number, signal?: AbortSignal) => {
      asked++;
      return unlessAborted(new Promise<never>(() => undefined), signal);
    };
    const room = await httpRoom({ source: logs, heartbeatMs: 20 });
    await using stream = await SseClient.open(`${room.url}${STREAM}/s?tail=1`);
    await expect.poll(() => asked).toBe(1);
    await room.server.close();
    expect(await stream.ended).toBe(true);
    expect(stream.events.at(-1)?.data).toContain('"code":"SHUTTING_DOWN"');
  });

  it('and can not be found is told as an error', async () => {
    const logs = new MemoryLogs();
    logs.append('s', 'one');
    logs.tailStart = () => Promise.reject(new ReadingError('DAMAGED_SEGMENT', 'segment 1 is damaged'));
    await using room = await httpRoom({ source: logs });
    await using stream = await SseClient.open(`${room.url}${STREAM}/s?tail=1`);
    expect(await stream.ended).toBe(true);
    expect(stream.events).toEqual([
      {
        id: null,
        event: 'error',
        data: '{"code":"DAMAGED_SEGMENT","message":"segment 1 is damaged","retry":false}',
      },
    ]);
  });
});

describe('the end of the server', () => {
  it('is told to every viewer, which may come again', async () => {
    const room = await httpRoom();
    room.logs.append('s', 'one');
    await using one = await SseClient.open(`${room.url}${STREAM}/s`);
    await using all = await SseClient.open(`${room.url}${STREAM}`);
    await expect.poll(() => one.seqs()).toEqual([1]);
    await room.server.close();
    expect(await Promise.all([one.ended, all.ended])).toEqual([true, true]);
    for (const stream of [one, all]) {
      expect(stream.events.at(-1)?.data).toBe(
        '{"code":"SHUTTING_DOWN","message":"the server is shutting down","retry":true}',
      );
    }
    expect(room.logs.open).toBe(0);
  });

  it('does not wait for a viewer that does not read', async () => {
    const room = await httpRoom();
    await using slow = await (async () => {
      room.logs.append('s', 'one');
      return SseClient.open(`${room.url}${STREAM}/s`);
    })();
    slow.pause();
    for (let index = 0; index < 100; index++) {
      room.logs.append('s', 'x'.repeat(1_000_000));
    }
    await expect.poll(() => room.logs.taken).toBeGreaterThan(2);
    await room.server.close();
    expect(room.logs.open).toBe(0);
  });
});
