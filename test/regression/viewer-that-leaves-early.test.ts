import { expect, test } from 'vitest';
import { LogClient } from '../support/log-client.js';
import { metric } from '../support/process-use.js';
import { rawSocket } from '../support/raw-grpc.js';
import { startServer } from '../support/server-process.js';
import { temporaryDirectory } from '../support/session-room.js';

test('a viewer that leaves while its session is looked up is not served for ever', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  expect(await client.write([{ session_id: 's', content: 'a' }])).toMatchObject({ ok: true });
  const request = Buffer.from('GET /api/v1/log-streaming/stream/s HTTP/1.1\r\nHost: x\r\n\r\n');
  for (let round = 0; round < 20; round++) {
    const sockets = await Promise.all(Array.from({ length: 20 }, () => rawSocket(new URL(server.http).host, request)));
    for (const socket of sockets) {
      socket.resetAndDestroy();
    }
  }
  await expect
    .poll(async () => (await metric(server.http, 'logweir_viewers_open')).get('kind="sse"'), { timeout: 10_000 })
    .toBe(0);
});

test('HEAD of a download reads no more than the first chunk, and delivers nothing', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServer({ LOG_DIR: directory.path });
  using client = new LogClient(server.grpc);
  const frames = Array.from({ length: 2_000 }, () => ({ session_id: 's', content: 'x'.repeat(1_000) }));
  expect(await client.write(frames)).toMatchObject({ ok: true });
  const response = await fetch(`${server.http}/api/v1/sessions/s/logs`, { method: 'HEAD' });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
  expect((await metric(server.http, 'logweir_lines_delivered_total')).get('')).toBe(0);
  await expect.poll(async () => (await metric(server.http, 'logweir_viewers_open')).get('kind="http"')).toBe(0);
});
