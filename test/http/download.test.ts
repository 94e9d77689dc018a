import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ReadingError } from '../../src/reading/reading-error.js';
import { SLOW_PATTERN, slowText } from '../support/slow-filter.js';
import { type HttpRoom, httpRoom } from './http-room.js';

/** The lines of a download, and its status. */
async function download(room: HttpRoom, path: string): Promise<[number, unknown[]]> {
  const answer = await fetch(`${room.url}/api/v1/sessions/${path}`);
  const lines = (await answer.text()).split('\n');
  expect(lines.pop()).toBe('');
  return [answer.status, lines.map((line) => JSON.parse(line) as unknown)];
}

/** The seqs of a download. */
async function seqs(room: HttpRoom, path: string): Promise<unknown[]> {
  const [status, lines] = await download(room, path);
  expect(status).toBe(200);
  return lines.map((line) => (line as { seq?: number; gap?: object }).seq ?? (line as { gap?: object }).gap);
}

async function open(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { agent: false }, resolve).once('error', reject).end();
  });
}

describe('a download', () => {
  it('is the stored lines, byte for byte', async () => {
    await using room = await httpRoom();
    room.logs.append('a/../b ü', 'one', 'two');
    const answer = await fetch(`${room.url}/api/v1/sessions/${encodeURIComponent('a/../b ü')}/logs`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-ndjson; charset=utf-8']);
    expect(await answer.text()).toBe(
      ['one', 'two']
        .map(
          (content, index) =>
            `{"seq":${index + 1},"time":"2026-11-21T10:00:00Z","session_id":"a/../b ü","role":"stdout","content":"${content}"}\n`,
        )
        .join(''),
    );
    expect(await room.metric('logweir_lines_delivered_total')).toBe(2);
    expect(room.logs.open).toBe(0);
  });

  it('is a range, or a tail, and ends where the session stands', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one', 'two', 'three');
    room.logs.append('s', 'four', 'five');
    room.logs.append('s', 'six');
    expect(await seqs(room, 's/logs')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await seqs(room, 's/logs?after_seq=2')).toEqual([3, 4, 5, 6]);
    expect(await seqs(room, 's/logs?after_seq=1&through_seq=4')).toEqual([2, 3, 4]);
    expect(await seqs(room, 's/logs?through_seq=3')).toEqual([1, 2, 3]);
    expect(await seqs(room, 's/logs?through_seq=100')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await seqs(room, 's/logs?tail=2')).toEqual([5, 6]);
    expect(await seqs(room, 's/logs?tail=3&through_seq=5')).toEqual([4, 5]);
    expect(await seqs(room, 's/logs?after_seq=6')).toEqual([]);
    expect(await seqs(room, 's/logs?after_seq=9007199254740991')).toEqual([]);
    expect(room.logs.open).toBe(0);
  });

  it('of a range that a filter empties does not read beyond it', async () => {
    await using room = await httpRoom();
    for (let index = 0; index < 100; index++) {
      room.logs.append('s', `line ${index}`);
    }
    expect(await seqs(room, 's/logs?through_seq=3&pattern=e%20[12]$')).toEqual([2, 3]);
    expect(await seqs(room, 's/logs?through_seq=3&keywords=nothing')).toEqual([]);
    expect(room.logs.taken).toBe(3 + 4);
  });

  it('says what is gone', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    room.logs.lose('s', 3);
    room.logs.append('s', 'five');
    expect(await seqs(room, 's/logs')).toEqual([1, { first_seq: 2, last_seq: 4 }, 5]);
    expect(await seqs(room, 's/logs?through_seq=3')).toEqual([1, { first_seq: 2, last_seq: 3 }]);
    expect(await seqs(room, 's/logs?through_seq=1')).toEqual([1]);
  });

  it('that breaks says why and does not look whole', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    room.logs.fail('s', new ReadingError('DAMAGED_SEGMENT', 'segment 2 is damaged'));
    const response = await open(`${room.url}/api/v1/sessions/s/logs`);
    expect(response.statusCode).toBe(200);
    let body = '';
    response.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    await expect(
      new Promise((resolve, reject) => {
        response.once('end', resolve).once('error', reject);
      }),
    ).rejects.toThrow('aborted');
    expect(body.split('\n').at(-2)).toBe(
      '{"error":{"code":"DAMAGED_SEGMENT","message":"segment 2 is damaged","retry":false}}',
    );
  });

  it('that cannot begin has a status', async () => {
    await using room = await httpRoom();
    room.logs.fail('damaged', new ReadingError('DAMAGED_SEGMENT', 'segment 2 is damaged'));
    room.logs.fail('moving', new ReadingError('UNSETTLED', 'files keep vanishing'));
    room.logs.append('s', 'one');
    expect(await download(room, 'unknown/logs')).toEqual([404, [{ error: 'there is no session "unknown"' }]]);
    expect(await download(room, 'damaged/logs')).toEqual([500, [{ error: 'segment 2 is damaged' }]]);
    expect(await download(room, 'moving/logs')).toEqual([503, [{ error: 'files keep vanishing' }]]);
    for (const [query, parameter] of [
      ['after_seq=-1', 'after_seq'],
      ['through_seq=0', 'through_seq'],
      ['after_seq=5&through_seq=5', 'through_seq'],
      ['tail=1&after_seq=1', 'tail'],
      ['pattern=(', 'pattern'],
      ['start_time=1', 'start_time'],
    ]) {
      expect(await download(room, `s/logs?${query}`)).toMatchObject([400, [{ parameter }]]);
    }
    expect(room.logs.open).toBe(0);
    expect(await room.metric('logweir_viewers_open{kind="http"}')).toBe(0);
  });

  it('whose pattern takes too long is refused with what to do, and breaks off where lines came before', async () => {
    await using room = await httpRoom();
    room.logs.append('s', slowText(1 << 19));
    const message = 'the filter takes too long over the lines: use a simpler pattern';
    const path = `s/logs?pattern=${encodeURIComponent(`^quick$|${SLOW_PATTERN}`)}`;
    expect(await download(room, path)).toEqual([400, [{ error: message }]]);
    room.logs.append('late', 'quick');
    room.logs.append('late', slowText(1 << 19));
    const late = await open(`${room.url}/api/v1/sessions/late/${path.slice(2)}`);
    let body = '';
    late.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    await expect(once(late, 'end')).rejects.toThrow('aborted');
    const lines = body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect([late.statusCode, lines]).toMatchObject([
      200,
      [{ seq: 1, content: 'quick' }, { error: { code: 'FILTER_TOO_SLOW', message, retry: false } }],
    ]);
  });

  it('of HEAD is the headers', async () => {
    await using room = await httpRoom();
    room.logs.append('s', 'one');
    const answer = await fetch(`${room.url}/api/v1/sessions/s/logs`, { method: 'HEAD' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-ndjson; charset=utf-8']);
    const unknown = await fetch(`${room.url}/api/v1/sessions/x/logs`, { method: 'HEAD' });
    expect(unknown.status).toBe(404);
    expect(room.logs.open).toBe(0);
  });

  it('goes at the pace of who reads it, and ends when nobody does', async () => {
    await using room = await httpRoom();
    const chunk = Array.from({ length: 100 }, () => 'x'.repeat(1000));
    for (let index = 0; index < 300; index++) {
      room.logs.append('s', ...chunk);
    }
    const slow = await open(`${room.url}/api/v1/sessions/s/logs`);
    await expect.poll(() => room.logs.taken).toBeGreaterThan(5);
    await delay(200);
    expect(room.logs.taken).toBeLessThan(150);
    expect((await text(slow)).match(/\n/g)?.length).toBe(30_000);

    const left = await open(`${room.url}/api/v1/sessions/s/logs`);
    left.destroy();
    await expect.poll(() => room.logs.open).toBe(0);
    expect(await room.metric('logweir_viewers_open{kind="http"}')).toBe(0);
  });
});
